#!/bin/bash
# Start a SLURM of one node on this machine, as root: `one_node_slurm.sh start`, `one_node_slurm.sh stop`.
# Needs Debian's packages slurm-wlm and munge. For tests alone: no accounting, no isolation of the jobs.
set -euo pipefail

CONF=/etc/slurm/slurm.conf
CORES=$(nproc --all)  # nproc alone would count what OMP_NUM_THREADS says
MEMORY_MB=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)

start() {
    mkdir -p /run/munge /var/spool/slurmd /var/spool/slurmctld /etc/slurm /var/log/slurm
    [ -s /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=1k count=1 status=none; }
    chown -R munge: /etc/munge /run/munge && chmod 400 /etc/munge/munge.key && chmod 755 /run/munge
    pgrep -x munged > /dev/null || su -s /bin/sh -c /usr/sbin/munged munge
    cat > "$CONF" <<END
ClusterName=one
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=5
MpiDefault=none
JobRequeue=1
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$CORES RealMemory=$MEMORY_MB State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    pgrep -x slurmctld > /dev/null || slurmctld
    pgrep -x slurmd > /dev/null || slurmd
    for _ in $(seq 30); do
        sinfo --noheader --format=%T 2> /dev/null | grep -q idle && { sinfo; return; }
        sleep 1
    done
    sinfo
    tail -n 20 /var/log/slurm/*.log
    return 1
}

stop() {
    pkill -x slurmd || true
    pkill -x slurmctld || true
    pkill -x munged || true
}

"${1:?start or stop}"
