#!/usr/bin/env bash
# Everything that waits for an NVIDIA device (docs/cuda.md), run and measured by one command.
#
#   scripts/prove_cuda.sh [FOLDER]        default: build/proof
#
# FOLDER gets what each step printed (STEP.json or STEP.txt, STEP.log) and report.md, a summary. A
# step that fails is named there, and the others still run. Ends with 2 where there is no device,
# with 1 where a step failed. PYTHON chooses the interpreter, which needs the extras train and test;
# nvcc, CMake and Ninja build the core, compute-sanitizer looks for wrong accesses and races.
#
# REHEARSE=1 goes through it with the emulated device and small scenes, on any machine: to see that
# the script works. Its times mean nothing, and what needs a real device fails.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
folder=${1:-build/proof}
python=${PYTHON:-python}

devices=$(nvidia-smi -L 2>/dev/null)
cuda=(-DAVATAR_RT_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=native)
gaussians=(78000 20000) scene=(--frames 2000) crowd=()
if [ -n "${REHEARSE:-}" ]; then
  devices="a rehearsal on the emulated device"
  cuda=(-DAVATAR_RT_CUDA=EMULATED)
  gaussians=(2000 1000) scene=(--frames 4 --size 96) crowd=(--avatars 4 --ticks 3 --size 64)
fi
if [ -z "$devices" ]; then
  echo "no NVIDIA device here (nvidia-smi -L lists none): nothing can be proved" >&2
  exit 2
fi
mkdir -p "$folder" && folder=$(cd "$folder" && pwd) || exit 1
rm -f "$folder"/*.json "$folder"/*.txt "$folder"/*.log "$folder"/steps.tsv "$folder"/report.md
echo "$devices" | tee "$folder/devices.txt"
nvidia-smi >"$folder/nvidia-smi.txt" 2>&1
failed=()

step() {  # step NAME json|txt COMMAND…: its output into the folder, its status into steps.tsv
  local name=$1 kind=$2 status=0 begin=$SECONDS
  shift 2
  echo "== $name"
  "$@" >"$folder/$name.$kind" 2>"$folder/$name.log" || status=$?
  printf '%s\t%d\t%d\n' "$name" "$status" $((SECONDS - begin)) >>"$folder/steps.tsv"
  if [ "$status" -ne 0 ]; then
    failed+=("$name")
    echo "   failed with status $status; the end of $folder/$name.log and $name.$kind:"
    tail -n 5 "$folder/$name.log" "$folder/$name.$kind" | sed 's/^/   /'
  fi
  return "$status"
}

finish() {
  "$python" -m benchmarks.cuda_report "$folder" || failed+=(report)
  if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}; see $folder/report.md"
    exit 1
  fi
  echo "all steps passed: $folder/report.md"
  exit 0
}

# shellcheck disable=SC2329  # called by step
build() {  # build PACKAGE OPTION…: the package avatar_rt with a core of its own, in build/PACKAGE
  local root=$PWD/build/$1 file
  shift
  mkdir -p "$root/avatar_rt"
  for file in avatar_rt/*; do
    case $file in
      *_core*.so | */__pycache__) ;;
      *) ln -sfn "$PWD/$file" "$root/avatar_rt/" ;;
    esac
  done
  BUILD_DIR=$root/build OUT_DIR=$root/avatar_rt PYTHON=$python scripts/build_native.sh \
    "${cuda[@]}" "$@" || return
  # an editable installation may come before any path
  AVATAR_RT_ROOT=$root with "$(basename "$root")" "$python" -c '
import os, sys, avatar_rt._core as core
print(core.__file__, core.ALPHA_MAX, core.cuda_status())
if not core.__file__.startswith(os.environ["AVATAR_RT_ROOT"]):
    sys.exit("another avatar_rt is installed in the way of the one that was built: uninstall it")
sys.exit(core.cuda_status() != "available")'
}

# shellcheck disable=SC2329  # called by step
with() {  # with PACKAGE COMMAND…: in which avatar_rt is that one
  local root=$PWD/build/$1
  shift
  PYTHONPATH=$root:$PWD PYTHONSAFEPATH=1 PYTEST_ADDOPTS="--import-mode=append" "$@"
}

# shellcheck disable=SC2329  # called by step
sanitized() {  # sanitized TOOL: every kernel on small scenes
  local sanitizer toolkit=/usr/local/cuda
  sanitizer=$(PATH=$PATH:$toolkit/bin:$toolkit/compute-sanitizer command -v compute-sanitizer)
  if [ -z "$sanitizer" ]; then
    echo "compute-sanitizer is neither on the PATH nor in /usr/local/cuda; it comes with CUDA" >&2
    return 127
  fi
  with proof-core "$sanitizer" --tool "$1" --error-exitcode 9 \
    "$python" -m tests.cuda.short_run
}

step build txt build proof-core || finish
step tests txt with proof-core "$python" -m pytest tests/cuda tests/trainer/test_rasterize.py \
  tests/trainer/test_against_gsplat.py
for tool in memcheck racecheck initcheck synccheck; do
  step "$tool" txt sanitized "$tool"
done
for count in "${gaussians[@]}"; do
  step "bench-$count" json with proof-core "$python" -m avatar_rt bench --json --backend cuda \
    --gaussians "$count" "${scene[@]}"
done
step many-avatars json with proof-core "$python" -m benchmarks.many_avatars --json --backend cuda \
  --gaussians "${gaussians[@]}" "${crowd[@]}"
case $devices in *H200*) gpu=h200 ;; *) gpu=h100 ;; esac
step floor json with proof-core "$python" -m benchmarks.cuda_floor --json --gpu "$gpu" \
  --gaussians "${gaussians[@]}"
# alpha clamped where gsplat clamps it
step build-for-gsplat txt build proof-gsplat -DAVATAR_RT_ALPHA_MAX=0.999 &&
  step against-gsplat json with proof-gsplat "$python" -m trainer.evaluate against_gsplat --json \
    --gaussians "${gaussians[@]}"
finish
