-- Devices that are told what became of each message, because they keep it until then.
-- Locks: exclusive on device, for an instant: a constant default rewrites nothing.

alter table device add column receipts boolean not null default false;
