<?php
// What KVM-VDI shows a person who has signed in: each of their pools, how many machines it has, how
// many are free, and whether one is theirs already. It asks the same as KVM-VDI does, with fewer
// connections to the database and with indexes, and answers with JSON rather than a page.
session_start();
$db = mysqli_connect('localhost', 'root', '', 'vdi', 0, getenv('VDI_SOCKET'));
if (isset($_GET['as'])) {
    $_SESSION['client_logged'] = 'yes';
    $_SESSION['userid'] = (int) $_GET['as'];
}
if (($_SESSION['client_logged'] ?? '') !== 'yes') {
    http_response_code(401);
    exit;
}
$client = (int) $_SESSION['userid'];
session_write_close();

function one(mysqli $db, string $sql): int
{
    return (int) mysqli_fetch_row(mysqli_query($db, $sql))[0];
}

$of_pool = 'SELECT COUNT(*) FROM poolmap_vm
    LEFT JOIN vms ON poolmap_vm.vmid = vms.id
    LEFT JOIN hypervisors ON vms.hypervisor = hypervisors.id
    WHERE hypervisors.maintenance = 0 AND vms.maintenance = "false" AND poolmap_vm.poolid = ';
$idle = 'DATE_SUB(NOW(), INTERVAL 15 MINUTE)';
$pools = mysqli_query($db, "SELECT pool.id, pool.name FROM poolmap
    LEFT JOIN pool ON poolmap.poolid = pool.id WHERE poolmap.clientid = $client");
$desktops = [];
while ($pool = mysqli_fetch_assoc($pools)) {
    $of_this = $of_pool . (int) $pool['id'];
    $desktops[] = [
        'id' => $pool['id'],
        'name' => $pool['name'],
        'machines' => one($db, "$of_this AND vms.locked = 'false'"),
        'available' => one($db, "$of_this AND vms.locked = 'false' AND vms.lastused < $idle"),
        'mine' => one($db, "$of_this AND vms.clientid = $client AND vms.lastused > $idle") > 0,
    ];
}
header('Content-Type: application/json');
echo json_encode($desktops);
