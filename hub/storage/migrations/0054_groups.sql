-- Rights to means over groups of devices only, of at least so many.
-- Locks: exclusive on agreement, for an instant.

alter table agreement
    add column min_group integer check (min_group > 1),
    add check (min_group is null or finest_resolution is not null);
