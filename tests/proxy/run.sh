#!/usr/bin/env bash
# The app behind nginx as docs/deploy.md has it: TLS, a base path, websockets, uploads, pictures and the login.
# For Debian as root; installs nginx and openssl where they are missing. Everything listens on loopback.
#
#   tests/proxy/run.sh [PYTHON]        a Python with the tests' packages (default: .venv/bin/python)
set -euo pipefail
repository=$(cd "$(dirname "$0")/../.." && pwd)
python=${1:-$repository/.venv/bin/python}
for program in nginx openssl; do
    command -v $program > /dev/null || DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends $program > /dev/null
done
cd "$repository"
exec "$python" -m tests.proxy.behind_nginx
