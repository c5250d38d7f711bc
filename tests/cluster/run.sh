#!/bin/bash
# By hand, as root, on a machine that may become a SLURM node (docs/reproduce.md): a small study on a real SLURM; one
# training is preempted, one job is killed. Ends with the weights equal to those of a study that nobody disturbed.
set -euo pipefail
cd "$(dirname "$0")/../.."
HERE=tests/cluster
OUT=${1:-$(mktemp -d)}
PYTHON=.venv/bin/python
mkdir -p "$OUT"
export OMP_NUM_THREADS=1

state() { squeue --noheader --name "$1" --format %T; }
wait_for() {  # a cell of this name that runs, and has trained an epoch
    for _ in $(seq 1500); do
        [ "$(state "$1")" = RUNNING ] && [ -s "$OUT/slurm/runs/${1#finetune-}/metrics.jsonl" ] && return
        sleep .2
    done
    echo "no job $1 came to run"; return 1
}

$HERE/one_node_slurm.sh start
$PYTHON train_cli.py study --config $HERE/study.toml --out "$OUT/slurm" --cluster slurm > "$OUT/slurm.log" 2>&1 &
STUDY=$!

wait_for finetune-iwne_fs-f100-s0
JOB=$(squeue --noheader --name finetune-iwne_fs-f100-s0 --format %A)
scancel --signal=USR2 "$JOB"          # what SLURM sends before it takes the machine away
echo "preempted job $JOB after $(wc -l < "$OUT/slurm/runs/iwne_fs-f100-s0/metrics.jsonl") epochs"

wait $STUDY
tail -n 1 "$OUT/slurm.log"

$PYTHON train_cli.py study --config $HERE/study.toml --out "$OUT/local" > "$OUT/local.log" 2>&1
$PYTHON - "$OUT" <<'END'
import json, sys
from pathlib import Path
from safetensors.numpy import load_file
out = Path(sys.argv[1])
for setup in ("iwne_fs", "iwne_cl"):
    a, b = (load_file(out / where / "checkpoints" / f"{setup}.safetensors") for where in ("slurm", "local"))
    assert a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a), f"{setup} differs"
epochs = [json.loads(line)["epoch"] for line in (out / "slurm/runs/iwne_fs-f100-s0/metrics.jsonl").open()]
assert epochs == sorted(set(epochs)), epochs
print(f"weights equal, bit for bit; {len(epochs)} epochs, each once, although the job was preempted")
END

# a job whose machine fails says nothing: it must count as failed, not be waited for
rm "$OUT/slurm/grid/finetune-iwne_fs-f100-s0.json"; rm -r "$OUT/slurm/runs/iwne_fs-f100-s0"
$PYTHON train_cli.py study --config $HERE/study.toml --out "$OUT/slurm" --cluster slurm --resume \
    --only 'finetune-iwne_fs-*' > "$OUT/killed.log" 2>&1 &
STUDY=$!
wait_for finetune-iwne_fs-f100-s0
scancel --signal=KILL "$(squeue --noheader --name finetune-iwne_fs-f100-s0 --format %A)"
wait $STUDY && { echo "a killed job was called done"; exit 1; }
grep failed "$OUT/killed.log"
$HERE/one_node_slurm.sh stop
echo "all as it should be; $OUT"
