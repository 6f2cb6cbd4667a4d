-- Whether reading a feed is put on record, and how much of it.
-- Locks: exclusive on feed, for an instant.

alter table feed
    add column read_log text not null default 'none'
               check (read_log in ('none', 'metadata', 'full'));
