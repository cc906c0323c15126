#!/usr/bin/env bash
# prepare_shop.sh PYTHON FOLDER: brings the example shop's database and static files up to date. Safe to repeat.
set -euo pipefail
python=$1 folder=$2

newest() { find "$@" -type f -not -path '*/__pycache__/*' -printf '%T@ %s %p\n' | sort | sha256sum | cut -d' ' -f1; }
stamp=$folder/.prepared
state=$(cd "$folder" && newest shop store manage.py)
if [ -f "$folder/db.sqlite3" ] && [ -d "$folder/staticfiles" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
  exit 0
fi
echo "==> Preparing ${folder##*/}: database, example products, static files"
cd "$folder"
mkdir -p media
"$python" manage.py migrate --verbosity 0
"$python" manage.py stock
"$python" manage.py collectstatic --noinput --clear --verbosity 0
# Started as root, the shop runs as the owner of its folder, which must be able to write its own data.
if [ "$(id -u)" = 0 ]; then
  chown -R --reference=. db.sqlite3* media staticfiles secret_key
fi
printf '%s\n' "$state" >"$stamp"
