#!/usr/bin/env bash
# Builds the images of gateway, worker (CPU) and operator as the Dockerfiles beside the programs describe them, without an
# image registry: this machine publishes, and the base is made of Debian packages and the installed .NET runtime.
#   images.sh TAG OUTDIR   writes OUTDIR/{gateway,worker,operator}.tar, docker-archives of localhost/modm/NAME:TAG, and
#                          OUTDIR/operator-b.tar: the operator once more as TAG-b, another image to upgrade to
# It runs as root and needs buildah, apt-get and the .NET SDK.
set -euo pipefail
tag=${1:?usage: images.sh TAG OUTDIR} out=${2:?usage: images.sh TAG OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
base=localhost/dotnet-base:10

buildah() { command buildah --storage-driver vfs "$@"; }
# What a Dockerfile's last stage says after a word such as USER.
says() { sed -n "s/^$2 //p" "$1/Dockerfile" | tail -n 1; }

published=artifacts/images
# Its own folder for everything: the restore for one platform stays away from what the tests run.
for program in Gateway Worker Operator; do
  dotnet publish "${program,,}/MoDM.$program.csproj" -c Release -r linux-x64 --self-contained false --nologo -v q \
    -p:UseAppHost=false --artifacts-path "$published" -o "$published/out-${program,,}" >&2
done

buildah images -q "$base" >/dev/null 2>&1 || ../shared/cluster/base-image.sh "$base" >&2

container=
trap '[ -z "$container" ] || buildah rm "$container" >/dev/null' EXIT
for program in gateway worker operator; do
  container=$(buildah from "$base")
  sed -n 's/^COPY \(models\/\S* \S*\)$/\1/p' "$program/Dockerfile" | while read -r from to; do
    buildah copy -q "$container" "$from" "$to" >/dev/null
  done
  buildah copy -q "$container" "$published/out-$program" /app >/dev/null
  buildah config --user "$(says "$program" USER)" --entrypoint "$(says "$program" ENTRYPOINT)" --cmd '' \
    --label org.opencontainers.image.version="$tag" "$container"
  # Straight into the archive: with vfs, every image in the storage is a full copy.
  save() { rm -f "$out/$1.tar"; buildah commit -q --format docker "$container" "docker-archive:$out/$1.tar:$2" >/dev/null; }
  save "$program" "localhost/modm/$program:$tag"
  if [ "$program" = operator ]; then
    buildah config --label org.opencontainers.image.version="$tag-b" "$container"
    save operator-b "localhost/modm/operator:$tag-b"
  fi
  buildah rm "$container" >/dev/null
  container=
done
ls -l "$out" >&2
