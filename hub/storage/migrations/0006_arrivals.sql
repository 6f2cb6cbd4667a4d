-- When did messages without a time of their own arrive? A redelivered one must come to the same
-- reading, so its first arrival is remembered for as long as the broker may deliver it again.
-- Locks: none, the table is new.

create table arrival (
    session     text not null,                      -- the MQTT client id, whose packet ids these are
    packet_id   integer not null,                   -- 1 to 65,535: the table stays small
    digest      bytea not null,                     -- of topic and payload
    received_at timestamptz not null,
    batch_id    bigint not null,
    primary key (session, packet_id)
);
