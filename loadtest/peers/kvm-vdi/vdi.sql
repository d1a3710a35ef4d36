-- The tables of KVM-VDI that its page of pools reads, with the columns that it asks for.
CREATE DATABASE vdi;
USE vdi;
CREATE TABLE hypervisors (id INT PRIMARY KEY, name VARCHAR(64), maintenance INT NOT NULL);
CREATE TABLE pool (id INT PRIMARY KEY, name VARCHAR(64) NOT NULL);
CREATE TABLE clients (id INT PRIMARY KEY, username VARCHAR(64) NOT NULL UNIQUE);
CREATE TABLE poolmap (clientid INT NOT NULL, poolid INT NOT NULL, PRIMARY KEY (clientid, poolid));
CREATE TABLE poolmap_vm (poolid INT NOT NULL, vmid INT NOT NULL, PRIMARY KEY (poolid, vmid));
CREATE TABLE vms (
    id INT PRIMARY KEY, name VARCHAR(64) NOT NULL, hypervisor INT NOT NULL,
    maintenance VARCHAR(5) NOT NULL, locked VARCHAR(5) NOT NULL,
    clientid INT, lastused DATETIME NOT NULL
);
INSERT INTO hypervisors SELECT seq, CONCAT('node', seq), 0 FROM seq_1_to_4;
INSERT INTO pool SELECT seq, CONCAT('room-', seq) FROM seq_1_to_20;
INSERT INTO clients SELECT seq, CONCAT('person-', seq) FROM seq_1_to_1000;
INSERT INTO poolmap SELECT seq, 1 + seq % 20 FROM seq_1_to_1000;
INSERT INTO poolmap SELECT seq, 1 + (seq + 7) % 20 FROM seq_1_to_1000;
INSERT INTO vms SELECT seq, CONCAT('win11-', seq), 1 + seq % 4, 'false', 'false', NULL,
    '2020-01-01' FROM seq_1_to_1000;
INSERT INTO poolmap_vm SELECT 1 + seq % 20, seq FROM seq_1_to_1000;
