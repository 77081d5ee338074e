# Compiler flags that every object of the core shares: warnings, floating point, sanitizers.
add_library(avatar_rt_flags INTERFACE)

# Never -ffast-math: linked with it, GCC's crtfastmath switches denormals off for the whole process,
# which breaks other libraries in it (MediaPipe's segmentation among them).
target_compile_options(avatar_rt_flags INTERFACE
  $<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang,AppleClang>:-Wall -Wextra -fno-math-errno -fno-trapping-math -ffp-contract=fast>)
if(AVATAR_RT_WERROR)
  target_compile_options(avatar_rt_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(AVATAR_RT_SANITIZE)
  target_compile_options(avatar_rt_flags INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-fsanitize=${AVATAR_RT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1>")
  target_compile_definitions(avatar_rt_flags INTERFACE _GLIBCXX_ASSERTIONS)
  target_link_options(avatar_rt_flags INTERFACE -fsanitize=${AVATAR_RT_SANITIZE})
endif()
