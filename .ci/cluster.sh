#!/usr/bin/env bash
# The real one-node Kubernetes that tests/MoDM.EndToEnd.Tests/Cluster runs on, with this checkout's images.
#   eval "$(.ci/cluster.sh up)"   starts it; prints the variables that the tests look for
#   .ci/cluster.sh build          only compiles it, if that has not been done
#   .ci/cluster.sh images         builds the images again and loads them
#   .ci/cluster.sh down
# The first up compiles Kubernetes, about 7 minutes. Root on a Debian machine; one cluster a machine.
set -euo pipefail
cd "$(dirname "$0")/.."
# Without the kubelet's garbage collection of images: on a disk that is 85 % full it would remove those that are loaded here,
# and pause's, as soon as no pod runs of them; nobody could pull them again.
cluster=$(mktemp)
trap 'rm -f "$cluster"' EXIT
sed 's/^failSwapOn: false$/&\nimageGCHighThresholdPercent: 100/' ../shared/cluster/cluster.sh > "$cluster"
chmod +x "$cluster"
run=${MODM_K8S:-$HOME/.cache/modm-k8s}/run
tag=${MODM_TEST_IMAGE_TAG:-test}

tools() {
  local missing=()
  for program in prometheus unzip npm; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
  tools=$(.ci/kube-tools.sh)
  export PATH=$tools:$PATH
}

say() { echo "-- $1 ($(date +%T))"; }

# Service addresses lead nowhere but to what kube-proxy makes of them. While it rewrites its rules for one, packets for it
# would leave the machine, and whatever answers HTTP out there would answer for the Service.
services_stay_here() {
  local chain
  for chain in OUTPUT FORWARD; do
    iptables -w 10 "$1" "$chain" -d 10.96.0.0/16 -m comment --comment modm-services-stay-here -j REJECT
  done
}

images() {
  local out
  out=$(mktemp -d)
  say "images"
  .ci/images.sh "$tag" "$out"
  say "load"
  for archive in "$out"/*.tar; do "$cluster" load "$archive"; done
  rm -rf "$out"
}

up() {
  tools
  say "build"
  "$cluster" build
  say "up"
  # One that is up already, or was left by a run that was cut off, makes room.
  if [ -e "$run/kubelet.pid" ]; then "$cluster" down; fi
  # containerd ends a little after it was asked to; a socket without a listener would pass for one that is ready.
  for _ in $(seq 30); do pgrep -f "^containerd -c containerd.toml" >/dev/null || break; sleep 1; done
  rm -f "$run/containerd.sock"
  "$cluster" up
  services_stay_here -D 2>/dev/null || true
  services_stay_here -A
  "$cluster" gpus 8
  images
  say "cluster is up"
}

case ${1:-} in
  up)
    # What the steps print goes to stderr; stdout is for the caller's eval.
    up >&2
    cat <<E
export KUBECONFIG=$run/kubeconfig
export MODM_TOOLS=$tools
export PATH=$tools:\$PATH
export MODM_TEST_CLUSTER=1
export MODM_TEST_IMAGE_TAG=$tag
export MODM_TEST_CONTAINERD=$run/containerd.sock
E
    ;;
  build) "$cluster" build >&2 ;;
  images) images ;;
  down)
    services_stay_here -D 2>/dev/null || true
    "$cluster" down
    ;;
  *) echo "usage: $0 up|build|images|down" >&2; exit 2 ;;
esac
