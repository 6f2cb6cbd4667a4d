-- A hub as the first released schema (0001 to 0007) held it: one of everything.
insert into organisation (id, name) values ('environment', 'Environment'), ('traffic', 'Traffic');
insert into observed_property (id, name, unit, low, high) values ('laeq', 'Sound level', 'dB', 20, 120);
insert into device (id, organisation, kind, name, lon, lat) values ('noise-1', 'environment', 'noise', 'Noise 1', 17.95, 59.45);
insert into device_credential (device, hash) values ('noise-1', '$7$101$c2FsdA==$aGFzaA==');
insert into datastream (device, property) values ('noise-1', 'laeq');
insert into connector (id, received, stored, duplicates, rejected, messages) values ('mqtt', 4, 2, 1, 1, 3);
insert into batch (position, id, connector, messages, received, stored, overwritten, duplicates, rejected, first_time, last_time, committed_at)
values (1, 1, 'mqtt', 3, 4, 2, 0, 1, 1, '2026-11-20 12:00Z', '2026-11-20 12:05Z', '2026-11-20 12:06Z');
insert into reading (datastream_id, time, value, quality, received_at, batch_id)
select s.id, t, v, 0, '2026-11-20 12:06Z', 1
from datastream s, (values ('2026-11-20 12:00Z'::timestamptz, 50.0), ('2026-11-20 12:05Z', 60.0)) as r (t, v);
insert into rejection (batch_id, connector, topic, received_at, reason, detail, readings, payload, payload_bytes)
values (1, 'mqtt', 'v1/devices/x/readings', '2026-11-20 12:06Z', 'unknown_device', 'x', 1, '{}', 2);
insert into feed (id, organisation, title, description, licence, state, kinds) values ('noise', 'environment', 'Noise', '', 'CC0-1.0', 'published', '{noise}');
insert into agreement (feed, consumer, state, purpose, legal_basis, valid_from) values ('noise', 'traffic', 'active', 'Speed', 'Task', '2026-01-01');
insert into application (id, organisation, name, scopes) values ('dashboard', 'traffic', 'Dashboard', '{feeds:read}');
insert into api_key (prefix, application, hash, state) values ('abcdefgh', 'dashboard', 'x', 'active');
