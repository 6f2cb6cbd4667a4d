-- Two credentials of a device while one replaces the other; why a device is quarantined.
-- Locks: exclusive on device and device_credential; the key of the latter is built anew, which
-- takes milliseconds for ten thousand devices.

alter table device_credential
    drop constraint device_credential_pkey,
    add column slot       smallint not null default 1 check (slot in (1, 2)),
    add column expires_at timestamptz,
    add primary key (device, slot);

alter table device
    add column quarantine_reason text not null default '',
    add column changed_at        timestamptz not null default now();
