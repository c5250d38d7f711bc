# One image for the app and for train_cli.py. On a GPU host: docker run --gpus all -p 127.0.0.1:8501:8501 dr-lens
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /srv/dr-lens
# Dependencies before source: a change of the source does not install them anew.
COPY requirements.txt .
RUN pip install -r requirements.txt

COPY . .
RUN useradd --system --create-home lens
USER lens

# Inside a container "localhost" reaches nobody; publish the port on the host's localhost, as above.
EXPOSE 8501
ENV STREAMLIT_SERVER_ADDRESS=0.0.0.0
HEALTHCHECK CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=3)"
CMD ["streamlit", "run", "app.py"]
