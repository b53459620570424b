#!/usr/bin/env bash
# Writes the CustomResourceDefinition anew, from what the code reads and writes; a test holds these files to it.
#   modelmixtures.modm.dev.yaml         for Kubernetes from 1.25 on, with CEL rules
#   modelmixtures.modm.dev-nocel.yaml   for older ones, which refuse them; the operator checks the same rules
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet build operator --nologo -v q
crd() { dotnet run --no-build --project operator -- crd "${@:2}" > "$1"; }
crd crds/modelmixtures.modm.dev.yaml
crd crds/modelmixtures.modm.dev-nocel.yaml --no-cel
mkdir -p charts/modm/files
cp crds/modelmixtures.modm.dev*.yaml charts/modm/files/
