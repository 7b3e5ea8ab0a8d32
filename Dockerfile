# Sluice in a container. Run it with a read-only root and one writable volume:
#
#   docker build -t sluice .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -p 8080:8080 -p 127.0.0.1:9090:9090 -v sluice-data:/data -v ./sluice.yaml:/etc/sluice.yaml:ro \
#     -e SLUICE_CONFIG=/etc/sluice.yaml -e META_ACCESS_TOKEN -e KLAVIYO_PRIVATE_KEY sluice
#
# Secrets come when it starts, from the environment or /run/secrets; none is known to the build.

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN ["npm", "ci"]
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN ["npm", "run", "build"]
RUN ["npm", "prune", "--omit=dev"]

FROM node:24-slim
LABEL org.opencontainers.image.title="Sluice" \
      org.opencontainers.image.description="Consent-aware event collector for shops: Meta first, Klaviyo after, every decision logged" \
      org.opencontainers.image.licenses="Apache-2.0"

# A user of its own, by number so that an orchestrator can see that it is not root; only /data belongs to it.
RUN ["install", "-d", "-o", "10001", "-g", "10001", "-m", "0700", "/data"]

WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY config ./config
COPY LICENSE ./

# SQLite's own temporary files would go to the read-only root. Inside a container every listener hears all addresses:
# what is reachable from outside is decided by the published ports; publish console and ops to yourself only.
ENV NODE_ENV=production \
    SLUICE_STORE__URL=sqlite:/data/sluice.db \
    SLUICE_KEYS__FILE=/data/keys.json \
    SLUICE_LISTEN__COLLECT__HOST=0.0.0.0 \
    SLUICE_LISTEN__CONSOLE__HOST=0.0.0.0 \
    SLUICE_LISTEN__OPS__HOST=0.0.0.0 \
    SQLITE_TMPDIR=/data

USER 10001:10001
VOLUME ["/data"]
EXPOSE 8080 8081 9090
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=15s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9090/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]

CMD ["node", "dist/cli.js", "serve"]
