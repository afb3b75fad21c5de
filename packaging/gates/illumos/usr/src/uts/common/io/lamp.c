/*
 * lamp - a pseudo device: what is written to it is gone, and reading it is at the end at once.
 */
#include <sys/dditypes.h>

static int
lamp_attach(dev_info_t *node, ddi_attach_cmd_t order)
{
	if (order != DDI_ATTACH)
		return (DDI_FAILURE);
	return (ddi_create_minor_node(node, "lamp", S_IFCHR, 0, DDI_PSEUDO, 0));
}

static int
lamp_detach(dev_info_t *node, ddi_detach_cmd_t order)
{
	if (order != DDI_DETACH)
		return (DDI_FAILURE);
	ddi_remove_minor_node(node, "lamp");
	return (DDI_SUCCESS);
}

static struct cb_ops lamp_cb_ops = {
	.cb_open = nulldev, .cb_close = nulldev, .cb_strategy = nodev,
	.cb_print = nodev, .cb_dump = nodev, .cb_read = nulldev,
	.cb_write = nulldev, .cb_ioctl = nodev, .cb_devmap = nodev,
	.cb_mmap = nodev, .cb_segmap = nodev, .cb_chpoll = nochpoll,
	.cb_prop_op = ddi_prop_op, .cb_flag = D_MP | D_64BIT, .cb_rev = CB_REV,
	.cb_aread = nodev, .cb_awrite = nodev,
};

static struct dev_ops lamp_dev_ops = {
	.devo_rev = DEVO_REV, .devo_getinfo = nodev, .devo_identify = nulldev,
	.devo_probe = nulldev, .devo_attach = lamp_attach,
	.devo_detach = lamp_detach, .devo_reset = nodev,
	.devo_cb_ops = &lamp_cb_ops, .devo_power = nulldev,
	.devo_quiesce = ddi_quiesce_not_needed,
};

static struct modldrv lamp_driver = {
	&mod_driverops, "lamp: takes everything", &lamp_dev_ops
};

static struct modlinkage lamp_linkage = { MODREV_1, { &lamp_driver } };

int
_init(void)
{
	return (mod_install(&lamp_linkage));
}

int
_fini(void)
{
	return (mod_remove(&lamp_linkage));
}

int
_info(struct modinfo *info)
{
	return (mod_info(&lamp_linkage, info));
}
