# What the scripts of this folder share: settings, and the processes of one cluster by name. Every setting can be given in the environment.
# shellcheck shell=bash disable=SC2034
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/coroner-cluster}   # what is built once
BIN=${BIN:-$CACHE/bin}                   # the cluster's programs, made by ./build; also a KUBEBUILDER_ASSETS folder
DEBS=${DEBS:-$CACHE/debs}                # .deb files that ./images unpacks: busybox-static debootstrap
IMAGES=${IMAGES:-$CACHE/images}          # image archives, kept between clusters
RUNS=${RUNS:-$CACHE/runs}                # one folder for each cluster that is up
STATE=${STATE:-$RUNS/by-hand}            # everything that this cluster writes
BUILD=${BUILD:-yes}                      # no: $BIN holds somebody else's programs (KUBEBUILDER_ASSETS), build nothing
MIRROR=${MIRROR:-$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)}   # Debian's, as this system has it
KUBECTL=${KUBECTL:-$BIN/kubectl}
PYTHON=${PYTHON:-$(command -v /usr/bin/python3 || command -v python3)}
# What a cluster with a kubelet has of the machine (interfaces, addresses, cgroups) is kept apart by its slot, 0 to 9.
# Whoever starts it keeps the number in $STATE/slot, where `down` finds it.
SLOT=$(cat "$STATE/slot" 2>/dev/null || echo "${SLOT:-0}")
SLOTS=${SLOTS:-2}                        # as many at a time; `hold` takes a free one
SLOT_SECONDS=${SLOT_SECONDS:-240}        # ... and waits for it so long
LOCKS=${LOCKS:-/run/lock}                # slots that are taken, and the kernel's settings before the first cluster
NODE_NAME=${NODE_NAME:-node1}
NODE_IF=${NODE_IF:-coroner-node$SLOT}    # interface that carries the node's and the services' addresses
BRIDGE=${BRIDGE:-coroner-pods$SLOT}      # bridge of the pods
CGROUP=${CGROUP:-coroner-test$SLOT}      # parent of the pods' cgroups
NODE_IP=${NODE_IP:-10.250.$SLOT.1}
SERVICE_CIDR=${SERVICE_CIDR:-10.9$SLOT.0.0/16}
SERVICE_IP=${SERVICE_IP:-10.9$SLOT.0.1}  # ClusterIP of default/kubernetes: the apiserver listens on it directly
DNS_IP=${DNS_IP:-10.9$SLOT.0.10}         # dns.py answers there
POD_CIDR=${POD_CIDR:-10.244.$SLOT.0/24}
POD_GW=${POD_GW:-10.244.$SLOT.1}
ETCD_PORT=${ETCD_PORT:-2379}
ETCD_PEER_PORT=${ETCD_PEER_PORT:-2380}
APISERVER_PORT=${APISERVER_PORT:-6443}   # only for --control-plane-only (127.0.0.1); the full cluster uses SERVICE_IP:443
KCM_PORT=${KCM_PORT:-10257}
SCHED_PORT=${SCHED_PORT:-10259}
KUBELET_PORT=${KUBELET_PORT:-10250}
CLUSTER_GOGC=${CLUSTER_GOGC:-300}        # of the cluster's programs: half a dozen API servers share the cores of a test run

PKI=$STATE/pki LOGS=$STATE/log PIDS=$STATE/pids CONF=$STATE/conf
CTD_SOCK=$STATE/run/containerd/containerd.sock

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() { say "ERROR: $*"; exit 1; }

# start time (clock ticks since boot) of a process: guards against a pid that is used again; a zombie is no process
starttime() { local s; s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1; s=${s##*) }; set -- $s; [ "$1" != Z ] && echo "${20}"; }

# same_process FILE: is the process that FILE records ("pid starttime") still there?
same_process() {
  local pid st
  [ -r "$1" ] && read -r pid st <"$1" || return 1
  [ -n "$st" ] && [ "$(starttime "$pid")" = "$st" ]   # no start time: it ended before it could be written down
}

# spawn NAME CMD...: detached, log in $LOGS/NAME.log, "pid starttime" in $PIDS/NAME, command line in $CONF/NAME.cmd
spawn() {
  local name=$1; shift
  mkdir -p "$LOGS" "$PIDS" "$CONF"
  printf '%q ' "$@" >"$CONF/$name.cmd"
  GOGC=$CLUSTER_GOGC setsid nohup "$@" >>"$LOGS/$name.log" 2>&1 </dev/null &
  local pid=$!
  echo "$pid $(starttime "$pid")" >"$PIDS/$name"
}

# served INTERFACE: does somebody listen on one of its addresses? Else it is what a killed cluster left
served() { [ -n "$(ip -o -4 addr show dev "$1" 2>/dev/null | awk '{sub("/.*", "", $4); print $4}' | while read -r ip; do ss -Hltn "src $ip"; done)" ]; }

alive() { same_process "$PIDS/$1"; }

# stop SECONDS NAME...: TERM to all, then KILL to what is left; the recorded processes only
stop() {
  local secs=$1 n pid st i left; shift
  for n in "$@"; do if alive "$n"; then read -r pid st <"$PIDS/$n"; kill -TERM "$pid" 2>/dev/null; fi; done
  for ((i = 0; i < secs * 10; i++)); do
    left=; for n in "$@"; do ! alive "$n" || left=1; done
    [ -n "$left" ] || break
    sleep 0.1
  done
  for n in "$@"; do
    if alive "$n"; then read -r pid st <"$PIDS/$n"; kill -KILL "$pid"; sleep 0.2; fi
    rm -f "$PIDS/$n"
  done
}

# wait_for SECONDS WHAT CMD...: until CMD succeeds; gives up at once when a process of the cluster has died
wait_for() {
  local secs=$1 what=$2 end p; shift 2
  end=$((SECONDS + secs))
  until "$@" >/dev/null 2>&1; do
    for p in "$PIDS"/*; do
      [ ! -e "$p" ] || same_process "$p" || die "no $what: ${p##*/} ended: $(tail -n 1 "$LOGS/${p##*/}.log")"
    done
    [ $SECONDS -lt $end ] || die "no $what after ${secs}s (logs: $LOGS)"
    sleep 0.2
  done
}
