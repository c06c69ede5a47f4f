# replay in a container, for any platform that the base image and the wheels are there for (amd64, arm64):
#   docker build --tag replay .
#   docker buildx build --platform linux/amd64,linux/arm64 --tag YOUR-REGISTRY/replay --push .
#   docker run --rm --volume "$PWD:/work" --user "$(id -u)" replay run traces/support-agent.jsonl -t http://host.docker.internal:8080
ARG PYTHON=3.12

# What builds stays behind: the second stage gets the packages alone.
FROM python:${PYTHON}-slim AS build
WORKDIR /src
# By hash, as CI tries them; a layer of its own, since it changes seldom.
COPY requirements.lock ./
RUN python -m venv /opt/replay \
 && /opt/replay/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY replay replay
RUN /opt/replay/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/replay/bin/pip uninstall --yes hatchling pip \
 && /opt/replay/bin/python -m compileall -q /opt/replay/lib

FROM python:${PYTHON}-slim
COPY --from=build /opt/replay /opt/replay
ENV PATH=/opt/replay/bin:$PATH PYTHONUNBUFFERED=1
# Runs are written where this user may write: a volume of yours, or what is lost with the container.
RUN install --directory --owner=10001 --group=10001 /work
WORKDIR /work
USER 10001:10001
# Run without a shell, so that SIGTERM arrives where it is meant for.
ENTRYPOINT ["replay"]
CMD ["--help"]
