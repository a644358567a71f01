# syntax=docker/dockerfile:1
# One image with one binary; templates, static files and migrations are inside the binary.
# Runs as a user without rights and writes nothing, so `read_only: true` is fine.

ARG RUST_VERSION=1.95.0
FROM rust:${RUST_VERSION}-bookworm AS chef
ENV CARGO_TERM_COLOR=never SQLX_OFFLINE=true
RUN cargo install --locked cargo-chef --version 0.1.78
WORKDIR /src

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
COPY --from=plan /src/recipe.json recipe.json
# Dependencies are a layer of their own: a change of our code does not build them again.
RUN cargo chef cook --release --locked --package cli --recipe-path recipe.json
COPY . .
RUN cargo build --release --locked --package cli --bin thnks-hubspot && strip --strip-debug target/release/thnks-hubspot

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin thnks
COPY --from=build /src/target/release/thnks-hubspot /usr/local/bin/thnks-hubspot
USER 10001:10001
WORKDIR /
ENV LISTEN_ADDR=0.0.0.0:3000 LOG_FORMAT=json RUST_LOG=info
EXPOSE 3000
# tini reaps and forwards SIGTERM; the binary then finishes or checkpoints its page.
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/thnks-hubspot"]
CMD ["serve"]
