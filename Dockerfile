# The page in a container: CPU torch, an ordinary user, nothing that it must write but /tmp.
#   docker build -t gsjbu . && docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 gsjbu
# deploy/compose.yaml puts nginx in front; deploy/space/ is the variant for a Hugging Face Docker Space.
FROM python:3.13-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 OMP_WAIT_POLICY=passive

WORKDIR /app
COPY requirements.lock ./
RUN pip install --require-hashes --extra-index-url https://download.pytorch.org/whl/cpu -r requirements.lock \
    && useradd --uid 1000 --create-home page

COPY app.py ./
COPY gsjbu gsjbu
COPY templates templates
COPY static static

# Compiled once here, so that a container whose root is read-only starts warm.
ENV NUMBA_CACHE_DIR=/app/compiled NUMBA_CPU_NAME=generic HOME=/tmp
RUN python -c "from gsjbu.core.backends.dispatch import warm_up; assert warm_up.run(whole=True), warm_up.reason"

USER page
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["python", "app.py", "--host", "0.0.0.0", "--port", "8000", "--out-dir", "/tmp/out"]
