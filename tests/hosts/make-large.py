#!/usr/bin/env python3
"""Writes large.txtar beside itself: 128 CPUs (2 packages of 32 cores with 2 threads), 200 disks, 100 NICs.

Run it after a change; the same script always writes the same file.
"""

import pathlib
import random

CPUS, DISKS, NICS = 128, 200, 100
UPTIME = 4_320_000  # seconds
BTIME = 1_750_000_000

rng = random.Random(128)
sections: list[str] = []


def file(path: str, text: str) -> None:
    sections.append(f"-- {path} --\n{text.rstrip(chr(10))}\n")


def link(path: str, target: str) -> None:
    sections.append(f"-- {path} -> {target} --\n")


def cpus() -> None:
    times = []
    for _ in range(CPUS):
        user, nice, system = rng.randrange(30_000_000), rng.randrange(9_000), rng.randrange(9_000_000)
        iowait, irq, softirq, steal = rng.randrange(400_000), 0, rng.randrange(500_000), 0
        guest = rng.randrange(user // 2 + 1)
        idle = UPTIME * 100 - user - nice - system - iowait - irq - softirq - steal
        times.append([user, nice, system, idle, iowait, irq, softirq, steal, guest, 0])
    total = [sum(column) for column in zip(*times)]
    lines = ["cpu  " + " ".join(map(str, total))]
    lines += [f"cpu{n} " + " ".join(map(str, row)) for n, row in enumerate(times)]
    counts = [0 if rng.random() < 0.9 else rng.randrange(10**7) for _ in range(4000)]
    lines.append(f"intr {sum(counts)} " + " ".join(map(str, counts)))
    lines += ["ctxt 98120344871", f"btime {BTIME}", "processes 41203344", "procs_running 38", "procs_blocked 2"]
    softirqs = [rng.randrange(10**9) for _ in range(10)]
    lines.append(f"softirq {sum(softirqs)} " + " ".join(map(str, softirqs)))
    file("proc/stat", "\n".join(lines))
    file("proc/uptime", f"{UPTIME}.00 {total[3] / 100:.2f}")
    file("proc/loadavg", "36.12 35.80 34.97 38/9120 41203344")
    blocks = []
    for n in range(CPUS):
        package, core = n // 32 % 2, n % 32
        blocks.append(
            f"processor\t: {n}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 106\n"
            f"model name\t: Intel(R) Xeon(R) Platinum 8358 CPU @ 2.60GHz\n"
            f"cpu MHz\t\t: {rng.randrange(800_000, 3_400_000) / 1000:.3f}\ncache size\t: 49152 KB\n"
            f"physical id\t: {package}\nsiblings\t: 64\ncore id\t\t: {core}\ncpu cores\t: 32\napicid\t\t: {n}\n"
            f"bogomips\t: 5200.00\npower management:\n\n"
        )
        directory = f"sys/devices/system/cpu/cpu{n}"
        file(f"{directory}/topology/thread_siblings_list", f"{n % 64},{n % 64 + 64}")
        file(f"{directory}/cpufreq/scaling_cur_freq", str(rng.randrange(800_000, 3_400_000)))
    sections.append("-- proc/cpuinfo --\n" + "".join(blocks))
    for name in ("possible", "present", "online"):
        file(f"sys/devices/system/cpu/{name}", f"0-{CPUS - 1}")


def memory() -> None:
    total, free, available = 1_056_441_344, 120_344_871, 610_233_418
    values = {
        "MemTotal": total, "MemFree": free, "MemAvailable": available, "Buffers": 2_041_233,
        "Cached": 480_122_033, "SwapCached": 0, "Dirty": 41_203, "Shmem": 8_120_334, "Slab": 33_410_233,
        "SReclaimable": 28_120_344, "SUnreclaim": 5_289_889,
    }
    lines = [f"{key + ':':<16}{value:>8} kB" for key, value in values.items()]
    for key, pages in {"Total": 4096, "Free": 1024, "Rsvd": 12, "Surp": 0}.items():
        lines.append(f"{f'HugePages_{key}:':<16}{pages:>8}")
    file("proc/meminfo", "\n".join([*lines, f"{'Hugepagesize:':<16}{2048:>8} kB"]))
    file("proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority")
    file(
        "proc/vmstat",
        "nr_free_pages 30086217\npgpgin 98120344871\npgpgout 204123341203\npswpin 0\npswpout 0\n"
        "pgfault 981203448712\npgmajfault 812033\noom_kill 0",
    )
    for name in ("cpu", "memory", "io"):
        some, full = sorted((rng.randrange(10**12), rng.randrange(10**12)), reverse=True)
        file(
            f"proc/pressure/{name}",
            f"some avg10=4.12 avg60=3.90 avg300=3.41 total={some}\n"
            f"full avg10=1.02 avg60=0.88 avg300=0.70 total={0 if name == 'cpu' else full}",
        )


def disk_name(n: int) -> str:
    """sda to sdz, then sdaa and so on, as the kernel counts."""
    letters = ""
    n += 1
    while n:
        n, rest = divmod(n - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return f"sd{letters}"


def disks() -> None:
    majors = [8, *range(65, 72), *range(128, 136)]
    stats, mounts = [], []
    for n in range(DISKS):
        name, major, minor = disk_name(n), majors[n // 16], n % 16 * 16
        reads, writes = rng.randrange(10**8), rng.randrange(10**8)
        columns = [
            reads, rng.randrange(10**6), reads * 64, reads * 4, writes, rng.randrange(10**7), writes * 96, writes * 7,
            rng.randrange(4), rng.randrange(UPTIME * 1000), reads * 4 + writes * 7, 0, 0, 0, 0, writes // 20, writes,
        ]
        stats.append(f"{major:4} {minor:7} {name} " + " ".join(map(str, columns)))
        device = f"devices/pci0000:3a/0000:3b:00.0/host0/target0:0:{n}/0:0:{n}:0/block/{name}"
        link(f"sys/block/{name}", f"../{device}")
        link(f"sys/class/block/{name}", f"../../{device}")
        file(f"sys/{device}/size", "31251759104")
        mounts.append(
            f"{100 + n} 28 {major}:{minor} / /srv/disk{n:03} rw,noatime shared:{100 + n} - xfs /dev/{name} rw,attr2,noquota"
        )
    file("proc/diskstats", "\n".join(stats))
    root = "28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n29 28 0:22 / /proc rw shared:2 - proc proc rw"
    file("proc/1/mountinfo", "\n".join([root, *mounts]))
    points = ["/", *(mount.split()[4] for mount in mounts if " - xfs " in mount)]
    full = [f"{at} 4096 {10**9} {9 * 10**8 - n} {9 * 10**8 - n} {10**8} {10**8 - n}" for n, at in enumerate(points)]
    file("statfs", "\n".join(full))


def nics() -> None:
    lines = [
        "Inter-|   Receive                                                |  Transmit",
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls"
        " carrier compressed",
    ]
    for name in ["lo", *(f"enp{n // 2 + 1}s0f{n % 2}" for n in range(NICS))]:
        received, sent = rng.randrange(10**13), rng.randrange(10**13)
        columns = [
            received, received // 900, rng.randrange(9), rng.randrange(999), 0, 0, 0, rng.randrange(10**6),
            sent, sent // 900, 0, rng.randrange(99), 0, 0, 0, 0,
        ]
        lines.append(f"{name:>6}: " + " ".join(map(str, columns)))
    file("proc/1/net/dev", "\n".join(lines))
    file("proc/1/net/sockstat", "sockets: used 41203\nTCP: inuse 20412 orphan 12 tw 8120 alloc 20500 mem 4120")


def rest() -> None:
    link("proc/self", "1")
    link("proc/net", "self/net")
    file(
        "proc/1/stat",
        "1 (systemd) S 0 1 1 0 -1 4194560 41022 123066 212 424 1204 3310 301 827 20 0 1 0 2 172916736 3240"
        " 18446744073709551615 94112347713536 94112348672741 140729612118320 0 0 0 0 4096 1260 0 0 0 17 0 0 0 0 0 0"
        " 94112349115248 94112349406564 94112371048448 140729612119841 140729612119884 140729612119884 140729612120045 0",
    )
    file("proc/sys/fs/file-nr", "412033\t0\t9223372036854775807")
    file("proc/sys/kernel/threads-max", "8253447")
    file("proc/sys/kernel/osrelease", "6.8.0-45-generic")
    file("etc/hostname", "large")
    file("etc/machine-id", "00112233445566778899aabbccddeeff")


for part in (cpus, memory, disks, nics, rest):
    part()
comment = "Written by make-large.py: 128 CPUs, 200 disks, 100 NICs. Change the script, not this file.\n"
pathlib.Path(__file__).with_name("large.txtar").write_text(comment + "".join(sections), encoding="utf-8")
