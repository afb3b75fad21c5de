/*
 * wick - a network interface that never comes up: it knows its hardware and leaves it alone.
 */
#include <sys/dditypes.h>

static int
wick_attach(dev_info_t *node, ddi_attach_cmd_t order)
{
	(void) node;
	(void) order;
	return (DDI_FAILURE);
}

static struct dev_ops wick_dev_ops = {
	.devo_rev = DEVO_REV, .devo_getinfo = nodev, .devo_identify = nulldev,
	.devo_probe = nulldev, .devo_attach = wick_attach,
	.devo_detach = nodev, .devo_reset = nodev, .devo_power = nulldev,
	.devo_quiesce = ddi_quiesce_not_needed,
};

static struct modldrv wick_driver = {
	&mod_driverops, "wick: attaches to nothing", &wick_dev_ops
};

static struct modlinkage wick_linkage = { MODREV_1, { &wick_driver } };

int
_init(void)
{
	return (mod_install(&wick_linkage));
}

int
_fini(void)
{
	return (mod_remove(&wick_linkage));
}

int
_info(struct modinfo *info)
{
	return (mod_info(&wick_linkage, info));
}
