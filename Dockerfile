# One image for every service of docker-compose.yml: the command line, the workers and the dashboard.
#
#   docker build -t archstudy .
#   docker build -t archstudy --build-arg TORCH_INDEX=<address of the CPU wheels> .     the small one, CPU only
#   docker build -t archstudy --build-arg EXTRAS=postgres .                             neither torch, ray nor streamlit
#
# Without TORCH_INDEX torch comes from pip's usual index: on Linux the build with CUDA, several GB, for CPUs and GPUs.

FROM python:3.11-slim AS build
RUN python -m venv /opt/archstudy
ENV PATH=/opt/archstudy/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CACHE_DIR=/var/cache/pip
WORKDIR /src

# Torch first, in a layer of its own that a change of our source does not touch; from an index of its own it comes alone.
ARG EXTRAS=all
ARG TORCH_INDEX=
COPY constraints.txt ./
RUN --mount=type=cache,target=/var/cache/pip \
    case ",$EXTRAS," in *,all,*|*,worker,*|*,dev,*) \
      pip install -c constraints.txt ${TORCH_INDEX:+--no-deps --index-url "$TORCH_INDEX"} \
        "$(grep '^torch==' constraints.txt)" ;; \
    esac

COPY pyproject.toml README.md LICENSE ./
COPY searchspace searchspace
COPY worker worker
COPY studies studies
COPY dashboard dashboard
RUN --mount=type=cache,target=/var/cache/pip \
    pip install -c constraints.txt ".[$EXTRAS]"

FROM python:3.11-slim
# The user id is fixed, so that a volume keeps its owner from image to image; /files is made here so that a new volume
# mounted on it belongs to that user.
RUN useradd --uid 10001 --create-home archstudy && install -d -o archstudy -g archstudy /files /work
COPY --from=build /opt/archstudy /opt/archstudy
ENV PATH=/opt/archstudy/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RAY_USAGE_STATS_ENABLED=0 \
    STREAMLIT_BROWSER_GATHER_USAGE_STATS=false
USER 10001
WORKDIR /work
ENTRYPOINT ["archstudy"]
CMD ["--help"]
