#!/usr/bin/env bash
# The check of a GPU on a machine that has PyTorch, but nothing of dsnet, and no network.
#
#   bash gpu_check.sh [PART ...] [--seconds 540]
#
# In the folder that `make gpu-bundle` made. Results go to $OUT/results.json, see check.py. PY names
# the Python, WORK a folder for what is unpacked, DSNET a checkout to take instead of the carried.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PY=${PY:-python3} WORK=${WORK:-/tmp/dsnet-gpu}
export OUT=${OUT:-$WORK/out} GPU_DATA=${GPU_DATA:-$here/data}
mkdir -p "$OUT" "$WORK"
if [ -z "${DSNET:-}" ]; then
  DSNET=$WORK/dsnet
  rm -rf "$DSNET"
  mkdir -p "$DSNET"
  tar -xzf "$here/dsnet.tar.gz" -C "$DSNET"
  export COMMIT=$(cat "$here/commit")
fi
if [ -e "$here/wheels" ]; then
  "$PY" -m pip install --quiet --no-index --no-deps --no-cache-dir --upgrade --target "$WORK/site" \
    "$here"/wheels/*.whl || echo "the wheels cannot be installed"
fi
# Carried packages come first, so OpenCV with CUDA hides one without.
export PYTHONPATH=$WORK/site:$here/site:$DSNET:$DSNET/benchmarks${PYTHONPATH:+:$PYTHONPATH}
if [ -e "$here/npp" ]; then
  export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/npp
fi
if [ -e "$WORK/site/cv2" ] && ! "$PY" -c 'import cv2'; then
  echo "the carried OpenCV cannot be imported; going on without it"
  rm -r "$WORK/site/cv2"
fi
exec "$PY" -m gpu.check "$@"
