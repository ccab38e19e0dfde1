"""An agent as people write it: psutil and prometheus_client, the 20 biggest processes by CPU and by memory.

`psutil_agent.py PORT`. A scrape reads all processes and shows CPU time, memory, threads and running time of the 20
biggest by each of CPU and memory, as hostmeter's `top` does for more metrics.
"""

import sys
import time

import psutil
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

TOP = 20
LABELS = ["pid", "name"]
FIELDS = ["pid", "name", "cpu_times", "memory_info", "num_threads", "create_time"]


class Processes:
    def __init__(self):
        self.before = {}

    def collect(self):
        now = time.time()
        read = [process.info for process in psutil.process_iter(FIELDS)]
        times, cpu, memory = {}, [], []
        for process in read:
            if process["cpu_times"] is None or process["memory_info"] is None:
                continue
            identity = process["pid"], process["create_time"]
            used = process["cpu_times"].user + process["cpu_times"].system
            times[identity] = used
            cpu.append((used - self.before.get(identity, used), process["pid"], process))
            memory.append((process["memory_info"].rss, process["pid"], process))
        self.before = times
        biggest = sorted(cpu, key=lambda row: row[:2])[-TOP:] + sorted(memory, key=lambda row: row[:2])[-TOP:]
        shown = {process["pid"]: process for _, _, process in biggest}

        seconds = CounterMetricFamily("process_cpu_seconds", "CPU time", labels=[*LABELS, "mode"])
        resident = GaugeMetricFamily("process_memory_bytes", "Resident memory", labels=LABELS)
        virtual = GaugeMetricFamily("process_virtual_memory_bytes", "Virtual memory", labels=LABELS)
        threads = GaugeMetricFamily("process_threads", "Threads", labels=LABELS)
        runtime = GaugeMetricFamily("process_runtime_seconds", "Time since the start", labels=LABELS)
        for pid, process in shown.items():
            labels = [str(pid), process["name"]]
            seconds.add_metric([*labels, "user"], process["cpu_times"].user)
            seconds.add_metric([*labels, "system"], process["cpu_times"].system)
            resident.add_metric(labels, process["memory_info"].rss)
            virtual.add_metric(labels, process["memory_info"].vms)
            threads.add_metric(labels, process["num_threads"])
            runtime.add_metric(labels, now - process["create_time"])
        count = GaugeMetricFamily("processes", "Processes", value=len(read))
        return [seconds, resident, virtual, threads, runtime, count]


if __name__ == "__main__":
    registry = CollectorRegistry(auto_describe=False)
    # Described beforehand, so that registering does not read the host.
    processes = Processes()
    processes.describe = list
    registry.register(processes)
    start_http_server(int(sys.argv[1]), addr="127.0.0.1", registry=registry)
    while True:
        time.sleep(3600)
