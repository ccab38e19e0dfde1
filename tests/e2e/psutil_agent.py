"""What a psutil agent would show, as JSON: run by the Python of the virtual environment, not imported.

It primes what needs two readings, prints a line, waits for one, and then prints the values by the classic names.
"""

import json
import os
import sys
import time

import psutil


def main():
    psutil.cpu_percent()
    psutil.cpu_percent(percpu=True)
    processes = {p.pid: p for p in psutil.process_iter()}
    for process in processes.values():
        try:
            process.cpu_percent()
        except psutil.Error:
            pass
    print("primed", flush=True)
    sys.stdin.readline()
    print(json.dumps(values(processes)), flush=True)


def values(processes):
    out = {}

    def put(metric, value, /, **labels):
        out.setdefault(metric, []).append([labels, value])

    put("cpu_usage_percent", psutil.cpu_percent())
    for core, percent in enumerate(psutil.cpu_percent(percpu=True)):
        put("cpu_usage_percent_per_core", percent, core=str(core))
    times = psutil.cpu_times()
    for mode in ("user", "system", "idle", "iowait"):
        put("cpu_time_seconds", getattr(times, mode), mode=mode)
    for period, load in zip(("1m", "5m", "15m"), os.getloadavg()):
        put("cpu_load_average", load, period=period)
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    for name in ("total", "used", "available", "cached"):
        put(f"memory_{name}_bytes", getattr(memory, name))
    put("memory_usage_percent", memory.percent)
    put("swap_total_bytes", swap.total)
    put("swap_used_bytes", swap.used)
    put("swap_usage_percent", swap.percent)
    for partition in psutil.disk_partitions():
        usage = psutil.disk_usage(partition.mountpoint)
        for kind in ("total", "used", "free"):
            put("disk_usage_bytes", getattr(usage, kind), mount_point=partition.mountpoint, type=kind)
        put("disk_usage_percent", usage.percent, mount_point=partition.mountpoint)
    for device, io in psutil.disk_io_counters(perdisk=True).items():
        put("disk_io_read_bytes_total", io.read_bytes, device=device)
        put("disk_io_write_bytes_total", io.write_bytes, device=device)
        put("disk_io_read_operations_total", io.read_count, device=device)
        put("disk_io_write_operations_total", io.write_count, device=device)
    for interface, io in psutil.net_io_counters(pernic=True).items():
        put("network_receive_bytes_total", io.bytes_recv, interface=interface)
        put("network_transmit_bytes_total", io.bytes_sent, interface=interface)
        put("network_receive_packets_total", io.packets_recv, interface=interface)
        put("network_transmit_packets_total", io.packets_sent, interface=interface)
        put("network_receive_errors_total", io.errin, interface=interface)
        put("network_transmit_errors_total", io.errout, interface=interface)
    for process in processes.values():
        try:
            labels = {"pid": str(process.pid), "name": process.name(), "user": process.username()}
            put("process_cpu_percent", process.cpu_percent(), **labels)
            put("process_memory_bytes", process.memory_info().rss, **labels)
            put("process_runtime_seconds", time.time() - process.create_time(), **labels)
        except psutil.Error:
            pass
    return out


if __name__ == "__main__":
    main()
