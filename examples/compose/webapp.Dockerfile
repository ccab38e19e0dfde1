# examples/webapp, made as hostmeter's image is.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY examples/webapp .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    target=$(rustc -vV | sed -n 's/^host: //p') \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$target" \
    && install -D "target/$target/release/webapp" /out/usr/bin/webapp

FROM scratch
COPY --from=build /out/ /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/bin/webapp"]
