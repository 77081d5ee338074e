# Run by the build on the objects of csrc/cpu's stages (NM, OBJECTS joined by |, SEVERITY). A symbol
# that the linker may merge with another object's would let link order choose the instruction set
# that the rest of the program runs, so there must be none.
string(REPLACE "|" ";" objects "${OBJECTS}")
execute_process(COMMAND "${NM}" ${objects} OUTPUT_VARIABLE table RESULT_VARIABLE failed)
if(failed)
  message(${SEVERITY} "${NM} could not read the stages' objects")
endif()
string(REGEX MATCHALL "[0-9a-f]+ [WVu] [^\n]+" merged "${table}")
if(merged)
  list(JOIN merged "\n  " lines)
  message(${SEVERITY} "symbols that other objects may share, in code for one processor:\n  ${lines}")
endif()
