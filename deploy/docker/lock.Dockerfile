# Your own image with your configuration compiled in.  In the folder of your flusso.toml:
#   docker build -t my-flusso -f lock.Dockerfile .
#   docker run -e DATABASE_URL=... -e PRIMARY_OPENSEARCH_URL=... my-flusso run
# A lock holds no secrets: they come from the environment.

ARG FLUSSO_IMAGE=flusso-kafka
FROM ${FLUSSO_IMAGE} AS compile
# flusso.toml, and the schema files where it names them.
COPY . /config/
# A mistake in them ends the build.
RUN ["flusso", "build", "--config=/config/flusso.toml", "--out=/tmp/flusso.lock"]

FROM ${FLUSSO_IMAGE}
COPY --from=compile /tmp/flusso.lock /app/flusso.lock
ENV FLUSSO_LOCK=/app/flusso.lock \
    FLUSSO_LOCKED=true
