//! Single message transforms, one file each.
