-- For each kind an index for each order, and for each filter one in the default order, so that a
-- first page costs as many steps as it has rows. They are made after the rows of a file that is
-- built anew: that is several times as fast as keeping them meanwhile.

CREATE INDEX hypervisors_by_name ON hypervisors (name, id);
CREATE INDEX hypervisors_by_created_at ON hypervisors (created_at, id);
CREATE INDEX hypervisors_by_state ON hypervisors (state, name, id);

CREATE INDEX storages_by_name ON storages (name, id);
CREATE INDEX storages_by_created_at ON storages (created_at, id);
CREATE INDEX storages_by_medium ON storages (medium, name, id);
CREATE INDEX storages_by_low_on_space ON storages (low_on_space, name, id);

CREATE INDEX networks_by_name ON networks (name, id);
CREATE INDEX networks_by_created_at ON networks (created_at, id);

CREATE INDEX media_by_name ON media (name, id);
CREATE INDEX media_by_created_at ON media (created_at, id);
CREATE INDEX media_by_kind ON media (kind, name, id);
CREATE INDEX media_by_storage ON media (storage, name, id);

CREATE INDEX templates_by_name ON templates (name, id);
CREATE INDEX templates_by_created_at ON templates (created_at, id);
CREATE INDEX templates_by_os ON templates (os, name, id);

CREATE INDEX machines_by_name ON machines (name, id);
CREATE INDEX machines_by_created_at ON machines (created_at, id);
CREATE INDEX machines_by_state ON machines (state, name, id);
CREATE INDEX machines_by_kind ON machines (kind, name, id);
CREATE INDEX machines_by_pool ON machines (pool, name, id);
CREATE INDEX machines_by_hypervisor ON machines (hypervisor, name, id);
CREATE INDEX machines_by_initial ON machines (initial, name, id);
CREATE INDEX machines_by_source ON machines (source, name, id);
CREATE INDEX machines_by_image ON machines (image, name, id);
CREATE INDEX machines_by_ready ON machines (ready, name, id);
CREATE INDEX machines_by_in_use ON machines (in_use, name, id);
CREATE INDEX machines_by_locked ON machines (locked, name, id);

CREATE INDEX images_by_name ON images (name, id);
CREATE INDEX images_by_created_at ON images (created_at, id);
CREATE INDEX images_by_initial ON images (initial, name, id);
CREATE INDEX images_by_state ON images (state, name, id);
CREATE INDEX images_by_number ON images (number, id);

CREATE INDEX pools_by_name ON pools (name, id);
CREATE INDEX pools_by_created_at ON pools (created_at, id);
CREATE INDEX pools_by_mode ON pools (mode, name, id);
CREATE INDEX pools_by_closed ON pools (closed, name, id);
CREATE INDEX pools_by_initial ON pools (initial, name, id);

CREATE INDEX clients_by_name ON clients (name, id);
CREATE INDEX clients_by_created_at ON clients (created_at, id);
CREATE INDEX clients_by_provider ON clients (provider, name, id);
CREATE INDEX clients_by_blocked ON clients (blocked, name, id);

CREATE INDEX groups_by_name ON groups (name, id);
CREATE INDEX groups_by_created_at ON groups (created_at, id);
CREATE INDEX groups_by_provider ON groups (provider, name, id);

CREATE INDEX labs_by_name ON labs (name, id);
CREATE INDEX labs_by_created_at ON labs (created_at, id);

CREATE INDEX terminals_by_name ON terminals (name, id);
CREATE INDEX terminals_by_created_at ON terminals (created_at, id);
CREATE INDEX terminals_by_lab ON terminals (lab, name, id);
CREATE INDEX terminals_by_class ON terminals (class, name, id);

CREATE INDEX sessions_by_created_at ON sessions (created_at, id);
CREATE INDEX sessions_by_state ON sessions (state, created_at, id);
CREATE INDEX sessions_by_client ON sessions (client, created_at, id);
CREATE INDEX sessions_by_terminal ON sessions (terminal, created_at, id);
CREATE INDEX sessions_by_pool ON sessions (pool, created_at, id);
CREATE INDEX sessions_by_machine ON sessions (machine, created_at, id);
CREATE INDEX sessions_by_left_at ON sessions (left_at) WHERE left_at IS NOT NULL;

CREATE INDEX operations_by_name ON operations (name, id);
CREATE INDEX operations_by_created_at ON operations (created_at, id);
CREATE INDEX operations_by_state ON operations (state, created_at, id);
CREATE INDEX operations_by_actor ON operations (actor, created_at, id);
CREATE INDEX operations_by_left_at ON operations (left_at) WHERE left_at IS NOT NULL;

CREATE INDEX admins_by_name ON admins (name, id);
CREATE INDEX admins_by_created_at ON admins (created_at, id);
