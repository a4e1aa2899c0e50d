# One program, the libraries that it is linked with, and nothing else: no shell, no package manager,
# no Postgres (in containers each domain is given a database of its own).
#
#   docker build --tag lunation:0.1.0 .

# The dependencies are built over empty sources of ours, so that this layer lasts until a manifest
# changes.
FROM rust:1.95.0-slim-bookworm AS dependencies
ENV SQLX_OFFLINE=true
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY actors/analytics/Cargo.toml actors/analytics/
COPY actors/cycles/Cargo.toml actors/cycles/
COPY actors/notifications/Cargo.toml actors/notifications/
COPY actors/runtime/Cargo.toml actors/runtime/
COPY actors/users/Cargo.toml actors/users/
COPY api/Cargo.toml api/
COPY contracts/Cargo.toml contracts/
COPY nats/Cargo.toml nats/
COPY prediction/Cargo.toml prediction/
COPY xtask/Cargo.toml xtask/
COPY scripts/stub-sources scripts/
RUN scripts/stub-sources && cargo build --locked --release --bin lunation

# Copied files keep their times, which are older than the build of the empty ones.
FROM dependencies AS build
COPY . .
RUN find . -name '*.rs' -not -path './target/*' -exec touch {} + \
    && cargo build --locked --release --bin lunation \
    && scripts/image-root target/release/lunation /image

FROM scratch
COPY --from=build /image /
# Production: whatever is secret has to be given. Inside a container, every address is the
# container's own; which ports the world sees is for whoever runs it to say.
ENV LUNATION_PROFILE=production \
    LUNATION_DATA_DIR=/var/lib/lunation \
    LUNATION_LISTEN=0.0.0.0:8080 \
    LUNATION_ADMIN_LISTEN=0.0.0.0:9090
USER 65532:65532
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/usr/local/bin/lunation", "health"]
ENTRYPOINT ["/usr/local/bin/lunation"]
CMD ["serve"]
