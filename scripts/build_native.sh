#!/bin/sh
# Builds the native core for work on the tree: avatar_rt/_core*.so, replaced in one step so that
# running programs keep the one that they loaded. PYTHON chooses the interpreter; further arguments
# go to CMake (-DAVATAR_RT_SANITIZE=address,undefined …). BUILD_DIR and OUT_DIR keep it apart.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
build=${BUILD_DIR:-build/dev}
python_path=$("$python" -c 'import sys; print(sys.executable)')
cmake -S . -B "$build" -G Ninja -DAVATAR_RT_WERROR="${WERROR:-ON}" -DPython_EXECUTABLE="$python_path" \
  -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" "$@" >/dev/null
cmake --build "$build"
out=${OUT_DIR:-avatar_rt}
for library in "$build"/_core*.so; do
  cp "$library" "$out/.$(basename "$library").new"
  mv -f "$out/.$(basename "$library").new" "$out/$(basename "$library")"
done
