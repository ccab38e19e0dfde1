# `just` lists these. Nothing here is needed: each is one command.

_default:
    @just --list --unsorted

# Everything that CI runs
check:
    .ci/run

# Unit, fixture and property tests
test *arguments:
    cargo test --locked {{arguments}}

# Formatting and clippy, no warning allowed
lint:
    cargo fmt --all --check
    cargo clippy --all-targets --locked -- --deny warnings

# Fuzzes one target for so many seconds: `just fuzz process 60`; needs a nightly compiler and cargo-fuzz
fuzz target seconds="60":
    cp Cargo.lock tests/fuzz/Cargo.lock
    cargo run --manifest-path tests/fuzz/Cargo.toml --target-dir target/fuzz --bin seeds
    cargo +nightly fuzz run --fuzz-dir tests/fuzz {{target}} -- -max_total_time={{seconds}}

# Against a real Collector, Prometheus and node_exporter: `just e2e --quick`, `just e2e --only values`
e2e *arguments:
    tests/e2e/run {{arguments}}

# The examples together: rules, alerts, every query of every dashboard
stack *arguments:
    tests/stack/run {{arguments}}

# Many agents, one gateway: `just fleet --gateway gateway-light`
fleet *arguments:
    examples/fleet/run {{arguments}}

# What is shipped, built and run: image, package, manifests: `just ship --only kubernetes`
ship *arguments:
    tests/ship/run {{arguments}}

# Against peers that refuse, hang, break and lie: `just faults --long`, `just faults --only N07`
faults *arguments:
    tests/faults/run {{arguments}}

# Against clients and sources that hang, flood and lie: `just robust --long`, `just robust --only E07`
robust *arguments:
    tests/e2e/robust {{arguments}}

# Beside other host agents, half an hour on a quiet machine: `just bench --readme`, `just bench --judge`
bench *arguments:
    tests/bench/run {{arguments}}

# Whether that works, in a minute
bench-quick:
    tests/bench/run --quick

# What a cycle costs, in instructions and system calls, against the budget; needs valgrind and strace
bench-check *arguments:
    cargo build --release --locked
    tests/bench/budget/run {{arguments}}

# Where the time of a cycle goes, by floor; needs root and perf
profile *arguments:
    tests/bench/profile/run {{arguments}}

# The documentation of the code, private items too
docs:
    cargo doc --no-deps --document-private-items --locked --open

# The agent, with what it needs from the command line: `just run --log-level debug`
run *arguments:
    cargo run --release --locked -- {{arguments}}
