//! FMRIs, versions, actions, manifests, catalogs: the nouns of IPS, no I/O
