# The page in a container: CPU torch, an ordinary user, nothing that must be written but /tmp.
#   docker build -t gsjbu . && docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 gsjbu
# deploy/compose.yaml puts nginx in front; deploy/space/ has the README of a Hugging Face Docker Space.
FROM python:3.13-slim

ARG PORT=8000
ENV PORT=${PORT} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 OMP_WAIT_POLICY=passive \
    HOME=/tmp NUMBA_CACHE_DIR=/tmp/compiled GSJBU_OUT_DIR=/tmp/out

WORKDIR /app
COPY requirements.txt requirements.lock ./
RUN grep -E '^torch(vision)?==' requirements.txt > torch.txt \
    && pip install --index-url https://download.pytorch.org/whl/cpu -r torch.txt \
    && pip install --require-hashes --no-deps -r requirements.lock \
    && useradd --uid 1000 page

COPY app.py ./
COPY gsjbu gsjbu
COPY templates templates
COPY static static

USER 1000
EXPOSE ${PORT}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4)"]
CMD ["sh", "-c", "exec python app.py --host 0.0.0.0 --port $PORT"]
