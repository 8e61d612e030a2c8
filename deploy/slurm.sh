#!/usr/bin/env bash
# A Ray cluster on the nodes of one Slurm job, and a sweep on it:
#   sbatch --nodes=4 deploy/slurm.sh specs/mod_add.yaml --results /shared/results
# Everything after the script goes to `sweeper run`. sweeper must be on PATH on all nodes (a venv on a shared disk, activated
# before sbatch). When the time is up the sweep ends well; the same command goes on.
#SBATCH --job-name=sweeper
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --output=sweeper-%j.log
# For GPUs: sbatch --gpus-per-node=1 ..., and --gpus-per-worker to sweeper
set -euo pipefail

port=${RAY_PORT:-$((20000 + SLURM_JOB_ID % 20000))} # two jobs may share a node
cpus=${SLURM_CPUS_PER_TASK:-1}
nodes=()
while read -r node; do nodes+=("$node"); done < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address)
address=${address%% *} # of several, the first

# Others on these nodes may not use this cluster: srun hands the token on to all of them.
export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=${RAY_AUTH_MODE:-token}
if [[ $RAY_AUTH_MODE == token && -z ${RAY_AUTH_TOKEN:-} ]]; then
  RAY_AUTH_TOKEN=$(python3 -c 'import secrets; print(secrets.token_hex(32))')
  export RAY_AUTH_TOKEN
fi

steps=()
trap 'kill "${steps[@]}" 2>/dev/null; wait' EXIT

start() { # NODE ARGUMENTS...: ray on one node, for as long as the job lasts
  local node=$1
  shift
  srun --nodes=1 --ntasks=1 --overlap --nodelist="$node" --cpus-per-task="$cpus" \
    ray start --block --num-cpus="$cpus" "$@" &
  steps+=($!)
}

start "$head" --head --node-ip-address="$address" --port="$port" --include-dashboard=false \
  --temp-dir="/tmp/ray-$SLURM_JOB_ID"
until ray status --address "$address:$port" >/dev/null 2>&1; do
  kill -0 "${steps[0]}" || { echo "the head on $head did not start" >&2; exit 1; }
  sleep 1
done
for node in "${nodes[@]:1}"; do start "$node" --address="$address:$port"; done

# All nodes, or those that came within five minutes: others join while the sweep runs.
for _ in $(seq 300); do
  alive=$(ray status --address "$address:$port" 2>/dev/null | grep -c '^ 1 node_' || true)
  ((alive < ${#nodes[@]})) || break
  sleep 1
done
echo "$alive of ${#nodes[@]} nodes, head $head at $address:$port"

sweeper run "$@" --address "$address:$port" &
sweep=$!
trap 'kill -TERM "$sweep"' TERM # from Slurm, before the time is up
code=0
wait "$sweep" || code=$?
if ((code > 128)); then # the signal came: the sweep is still ending
  code=0
  wait "$sweep" || code=$?
fi
exit "$code"
