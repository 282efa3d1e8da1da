"""A real Slurm of one machine, for tests: munge, a controller without accounting and two node
daemons, all in one folder.

Nothing is taken from /etc and nothing is left running; ports are free ones. Runs as root or as anybody.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

NODES = ("node1", "node2")
CLIENTS = ("sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo", "sacct")
PROGRAMS = ("munged", "slurmctld", "slurmd", *CLIENTS)
CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=5
MinJobAge=300
SlurmdTimeout=60
GresTypes=gpu
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={node1} CPUs=8 RealMemory=64000 Gres=gpu:2
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={node2} CPUs=8 RealMemory=64000
PartitionName=cpu Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=gpu Nodes=node1 MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=node1,node2 MaxTime=INFINITE State=UP PriorityTier=9
"""


def missing() -> list[str]:
    """The programs of Slurm and munge that are not installed."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [name for name in PROGRAMS if not shutil.which(name, path=path)]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def configure(folder: Path) -> None:
    """Write slurm.conf, gres.conf and munge's key."""
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    controller, *nodes = free_ports(1 + len(NODES))
    names = {
        "host": socket.gethostname().split(".")[0],
        "user": getpass.getuser(),
        "folder": folder,
        "controller": controller,
    }
    (folder / "slurm.conf").write_text(CONF.format(**names, **dict(zip(NODES, nodes, strict=True))))
    # two files that every machine has stand for two GPUs: what a job is told depends on their number alone
    (folder / "gres.conf").write_text(
        "NodeName=node1 Name=gpu File=/dev/null\nNodeName=node1 Name=gpu File=/dev/zero\n"
    )
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)


def wrapped(folder: Path) -> Path:
    """A folder of Slurm's programs that know this cluster; a variable would not do, since Snakemake's plugin
    drops all of SLURM_* in a job."""
    programs = folder / "bin"
    programs.mkdir()
    for name in CLIENTS:
        script = programs / name
        script.write_text(
            f'#!/bin/sh\nSLURM_CONF={shlex.quote(str(folder))}/slurm.conf exec {shutil.which(name)} "$@"\n'
        )
        script.chmod(0o755)
    return programs


def daemons(folder: Path) -> list[list[str]]:
    """The commands that stay in the foreground."""
    munge = [
        "munged",
        "--foreground",
        "--force",
        "--num-threads=2",
        f"--key-file={folder}/munge.key",
        f"--socket={folder}/munge.socket",
    ]
    munge += [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "log", "seed")]
    conf = f"{folder}/slurm.conf"
    return [munge, ["slurmctld", "-D", "-f", conf], *(["slurmd", "-D", "-N", node, "-f", conf] for node in NODES)]


def wait(ready: str, call: list[str], environment: dict[str, str], seconds: float = 60) -> None:
    """Call until the answer contains `ready`. Raises TimeoutError with the last answer."""
    until, said = time.monotonic() + seconds, ""
    while ready not in said:
        if time.monotonic() > until:
            raise TimeoutError(f"{' '.join(call)}: expected {ready!r}, found {said!r}")
        time.sleep(0.3)
        done = subprocess.run(call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = done.stdout


@contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the environment in which Slurm's programs talk to this cluster; everything ends with
    the block, whatever happens in it."""
    configure(folder)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SBATCH", "SRUN"))}
    environment |= {"PATH": f"{wrapped(folder)}:{os.environ['PATH']}:/usr/sbin:/sbin"}
    started: list[subprocess.Popen] = []
    try:
        for call in daemons(folder):
            with open(folder / f"{call[0]}-{len(started)}.out", "wb") as said:
                started.append(
                    subprocess.Popen(
                        call, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
                    )
                )
            if call[0] == "munged":
                wait("MUNGE:", ["munge", f"--socket={folder}/munge.socket", "--no-input"], environment)
        wait("node1=idle node2=idle", ["sh", "-c", "echo $(sinfo -hN -p cpu -o %N=%T)"], environment)
        yield environment
    finally:
        stop(started, environment)


def stop(started: list[subprocess.Popen], environment: dict[str, str]) -> None:
    """Cancel what runs, then end the daemons, the last one first."""
    subprocess.run(["scancel", "--full", "-u", getpass.getuser()], env=environment, capture_output=True, timeout=30)
    for daemon in reversed(started):
        daemon.terminate()
        try:
            daemon.wait(timeout=10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
