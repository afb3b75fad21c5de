/*
 * dditypes.h - the structures a driver hands to the kernel, and what it returns.
 *
 * As illumos lays them out for amd64; only what the drivers of this gate use is typed.
 */
#ifndef	_SYS_DDITYPES_H
#define	_SYS_DDITYPES_H

#define	DDI_SUCCESS	0
#define	DDI_FAILURE	(-1)
#define	MODREV_1	1
#define	DEVO_REV	4
#define	CB_REV		1
#define	D_MP		0x0020
#define	D_64BIT		0x0200
#define	ENXIO		6

typedef struct dev_info dev_info_t;
typedef unsigned long dev_t;

typedef enum { DDI_ATTACH = 0, DDI_RESUME = 1 } ddi_attach_cmd_t;
typedef enum { DDI_DETACH = 0, DDI_SUSPEND = 1 } ddi_detach_cmd_t;
typedef enum { DDI_INFO_DEVT2DEVINFO = 0, DDI_INFO_DEVT2INSTANCE = 1 }
    ddi_info_cmd_t;

/* A function of a type that does not matter here. */
typedef int (*ddi_entry_t)();

struct cb_ops {
	ddi_entry_t	cb_open;
	ddi_entry_t	cb_close;
	ddi_entry_t	cb_strategy;
	ddi_entry_t	cb_print;
	ddi_entry_t	cb_dump;
	ddi_entry_t	cb_read;
	ddi_entry_t	cb_write;
	ddi_entry_t	cb_ioctl;
	ddi_entry_t	cb_devmap;
	ddi_entry_t	cb_mmap;
	ddi_entry_t	cb_segmap;
	ddi_entry_t	cb_chpoll;
	ddi_entry_t	cb_prop_op;
	void		*cb_str;
	int		cb_flag;
	int		cb_rev;
	ddi_entry_t	cb_aread;
	ddi_entry_t	cb_awrite;
};

struct dev_ops {
	int		devo_rev;
	int		devo_refcnt;
	ddi_entry_t	devo_getinfo;
	ddi_entry_t	devo_identify;
	ddi_entry_t	devo_probe;
	ddi_entry_t	devo_attach;
	ddi_entry_t	devo_detach;
	ddi_entry_t	devo_reset;
	struct cb_ops	*devo_cb_ops;
	void		*devo_bus_ops;
	ddi_entry_t	devo_power;
	ddi_entry_t	devo_quiesce;
};

struct mod_ops;
struct modinfo;

struct modldrv {
	struct mod_ops	*drv_modops;
	const char	*drv_linkinfo;
	struct dev_ops	*drv_dev_ops;
};

struct modlinkage {
	int		ml_rev;
	void		*ml_linkage[7];
};

extern struct mod_ops mod_driverops;

int mod_install(struct modlinkage *);
int mod_remove(struct modlinkage *);
int mod_info(struct modlinkage *, struct modinfo *);
int nulldev();
int nodev();
int nochpoll();
int ddi_prop_op();
int ddi_quiesce_not_needed(dev_info_t *);
int ddi_create_minor_node(dev_info_t *, const char *, int, unsigned int,
    const char *, int);
void ddi_remove_minor_node(dev_info_t *, const char *);

#define	S_IFCHR		0x2000
#define	DDI_PSEUDO	"ddi_pseudo"

#endif	/* _SYS_DDITYPES_H */
