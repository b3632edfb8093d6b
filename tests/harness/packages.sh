# packages - what Debian 12 must have installed, and how to get it. Sourced by tests/run and tests/demo.
PACKAGES_BUILD=(gcc cmake ninja-build pkg-config libpq-dev libcurl4-openssl-dev libssl-dev libmicrohttpd-dev
    libyaml-dev libjansson-dev libxxhash-dev libzstd-dev)
PACKAGES_SERVER=(postgresql-15 postgresql-15-wal2json postgresql-contrib python3-psycopg openssl util-linux)
PACKAGES_BENCH=(pgcopydb postgresql-15-pglogical postgresql-client-15)
PACKAGES_PAGE=(python3-matplotlib)
PACKAGES_TEST=("${PACKAGES_SERVER[@]}" clang clang-format ccache libcmocka-dev scdoc spin pgbouncer python3-pytest
    python3-pytest-timeout python3-pytest-xdist)

# Names of packages that are not installed, one a line.
missing_packages() {
    local name
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || echo "$name"
    done
}

# Installs what is missing as root; says what to type otherwise.
install_packages() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        echo "not a Debian system: packages are taken as installed" >&2
        return 0
    fi
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        {
            echo "Packages are missing and only root can install them. Please run:"
            echo "    sudo apt-get install --no-install-recommends ${missing[*]}"
        } >&2
        return 1
    fi
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null &&
        apt-get install -qq -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}
