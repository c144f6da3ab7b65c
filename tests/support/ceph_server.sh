# Ceph with its S3 API in one process group, for tests: bash -c … ceph FOLDER PORT MONITOR-PORT USER…
#
# One monitor, one storage daemon that keeps everything in memory, and a gateway on the port. A user's access key is its name,
# and its secret `canary-` and its name; the user `admin` may make policies. Prints `ready` when it can be used.
set -eu
folder=$1 port=$2 monitor_port=$3
shift 3

# The guard of a test whose process died sends QUIT.
trap 'kill -KILL 0' QUIT

export CEPH_CONF=$folder/ceph.conf
cat >"$CEPH_CONF" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v2:127.0.0.1:$monitor_port
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
run dir = $folder
admin socket =
log file = $folder/\$name.log
mon cluster log file = $folder/cluster.log
mon data = $folder/mon
mon data avail crit = 1
paxos propose interval = 0.05
osd data = $folder/osd
osd objectstore = memstore
memstore device bytes = 8G
mon allow pool size one = true
osd pool default size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw data = $folder/rgw
rgw rados pool pg num min = 1
rgw frontends = beast endpoint=127.0.0.1:$port
CONF
mkdir "$folder/osd" "$folder/rgw"

{
    ceph-mon -i a --mkfs
    ceph-mon -i a -f &
    id=$(cat /proc/sys/kernel/random/uuid)
    ceph osd new "$id"
    ceph-osd -i 0 --mkfs --osd-uuid "$id"
    ceph-osd -i 0 -f &
    for user in admin "$@"; do
        radosgw-admin user create --uid="$user" --display-name="$user" --access-key="$user" --secret-key="canary-$user" \
            --caps="$([ "$user" != admin ] || echo 'user-policy=*')"
    done
    radosgw -n client.rgw -f &
    until curl --silent --output /dev/null "http://127.0.0.1:$port/"; do sleep 0.1; done
} >&2
echo ready
wait -n
