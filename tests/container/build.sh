#!/usr/bin/env bash
# Build the Dockerfile for real without Docker, start the built root as its user on a read-only root file system, and open
# the app in a browser. For Debian as root: apt-get install buildah debootstrap. Takes about ten minutes and,
# while the image is written, 30 GB (buildah's vfs driver copies; the image itself has 7.7 GB).
#
#   tests/container/build.sh [WORK]            WORK: a folder for everything (default: build/container)
#   BASE_ROOT=DIR                              a debootstrap root that is there already
#   BUILD_OPTIONS="--volume A:B:ro ..."        more options of buildah, for instance for a proxy's certificates
#   TORCH=cpu                                  the image without CUDA; BUILD_OPTIONS then has --build-arg TORCH_INDEX=URL
#   PYTHON=.venv/bin/python                    a Python with playwright
set -euo pipefail
repository=$(cd "$(dirname "$0")/../.." && pwd)
work=$(realpath -m "${1:-$repository/build/container}")
python=${PYTHON:-$repository/.venv/bin/python}
base=${BASE_ROOT:-$work/base}
mkdir -p "$work/tmp"
free=$(df --output=avail -BG "$work" | tr -dc 0-9)
if [ "${TORCH:-cuda}" = cuda ] && [ "$free" -lt "${NEEDED_GB:-30}" ]; then
    echo "$work must have 30 GB free, not $free; name another folder as the first argument"
    exit 2
fi
export TMPDIR=$work/tmp BUILDAH_ISOLATION=chroot
buildah=(buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run")

if [ ! -x "$base/usr/bin/python3" ]; then
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$base"
fi
container=$("${buildah[@]}" from scratch)
"${buildah[@]}" copy --quiet "$container" "$base" / > /dev/null
"${buildah[@]}" commit --quiet --rm "$container" localhost/dr-lens-base > /dev/null

# shellcheck disable=SC2086 - options are words
"${buildah[@]}" bud --layers=false --format docker --build-arg BASE=localhost/dr-lens-base --build-arg TORCH="${TORCH:-cuda}" \
    ${BUILD_OPTIONS:-} --tag dr-lens "$repository"
container=$("${buildah[@]}" from --pull-never localhost/dr-lens)
root=$("${buildah[@]}" mount "$container")
trap '"${buildah[@]}" rm "$container" > /dev/null' EXIT

echo "size: $(du -sm --one-file-system "$root" | cut -f1) MB, of it packages $(du -sm "$root/opt/venv" | cut -f1) MB"
user=$("${buildah[@]}" inspect --type image --format '{{.OCIv1.Config.User}}' localhost/dr-lens)
test "$user" = 10001 || { echo "the image's user must be 10001, not '$user'"; exit 1; }
leftovers=$(find "$root/tmp" "$root/root/.cache" "$root/srv/dr-lens" \( -name __pycache__ -o -path "$root/tmp/*" -o -name '*.whl' \
    -o -path "$root/root/.cache/*" -o -name tests -o -name .git \) -print -quit 2> /dev/null || true)
test -z "$leftovers" || { echo "a cache is left: $leftovers"; exit 1; }
test -z "$(find "$root/srv" -user 10001 -print -quit)" || { echo "the app's user owns its code"; exit 1; }

"$python" "$repository/tests/container/open_app.py" "$root" "$repository/assets/demo_study"
