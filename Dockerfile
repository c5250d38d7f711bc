# One image for the app and for train_cli.py; compose.yaml and docs/deploy.md say how to run it.
ARG BASE=python:3.11.13-slim-bookworm
FROM ${BASE}

# cuda: the locked packages, CUDA included. cpu: without CUDA; TORCH_INDEX then names an index of PyTorch's CPU builds.
ARG TORCH=cuda
ARG TORCH_INDEX=

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

# Chromium, which Playwright drives, prints sheets and reports as PDF. --build-arg CHROMIUM= leaves it out: they come as HTML then.
ARG CHROMIUM=chromium
RUN if [ -n "$CHROMIUM" ]; then \
        apt-get update && \
        apt-get install --yes --no-install-recommends "$CHROMIUM" libatomic1 fonts-dejavu-core && \
        rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*; \
    fi

# Dependencies before source: a change of the source does not install them anew.
COPY requirements.lock /tmp/
RUN set -eu; \
    python3 -m venv /opt/venv; \
    pip() { /opt/venv/bin/pip --no-cache-dir --disable-pip-version-check "$@"; }; \
    cd /tmp; \
    if [ "$TORCH" = cpu ]; then \
        if [ -z "$TORCH_INDEX" ]; then \
            echo "TORCH=cpu needs --build-arg TORCH_INDEX=URL: the index that PyTorch's start page gives for pip and CPU."; \
            exit 1; \
        fi; \
        # A package is a line that begins with its name, and the indented lines after it.
        awk '/^[a-zA-Z0-9]/ { keep = !/^(torch|torchvision|triton|cuda-|nvidia-)/ } keep' requirements.lock > locked; \
        pins=$(sed -nE 's/^(torch|torchvision)==([0-9.]+).*/\1==\2+cpu/p' requirements.lock); \
        pip install --no-deps --index-url "$TORCH_INDEX" $pins; \
    else \
        cp requirements.lock locked; \
    fi; \
    pip install --require-hashes --no-deps -r locked; \
    rm -rf /tmp/* /root/.cache

# No home, no shell: all that the app writes at run time goes to /tmp.
RUN useradd --system --uid 10001 --home-dir /tmp --shell /usr/sbin/nologin lens
ENV HOME=/tmp \
    DR_LENS_CACHE=/tmp/dr_lens

WORKDIR /srv/dr-lens
COPY LICENSE app.py home.py train_cli.py ./
COPY .streamlit/config.toml .streamlit/
COPY pages pages
COPY assets assets
COPY docs/glossary.md docs/
COPY dr_cli dr_cli
COPY dr_core dr_core
COPY dr_ui dr_ui
USER 10001

# DR_STUDY names a study that is mounted, read-only, for instance -v /data/study:/study:ro -e DR_STUDY=/study
VOLUME /study
EXPOSE 8501
# Inside a container "localhost" reaches nobody; publish the port on the host's localhost. Without a login the log warns.
ENV STREAMLIT_SERVER_ADDRESS=0.0.0.0
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=3)"]
CMD ["streamlit", "run", "app.py"]
