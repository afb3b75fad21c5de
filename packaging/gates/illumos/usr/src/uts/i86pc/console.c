/*
 * console.c - characters on COM1 (115200 8n1), and the way out.
 *
 * The way out: QEMU's device isa-debug-exit at port 0xf4 ends the emulator with status
 * 2 * value + 1.  Where it is absent the port swallows the byte and the processor halts.
 */
#include "unix.h"

#define	COM1		0x3f8
#define	LINE_STATUS	(COM1 + 5)
#define	CAN_SEND	0x20
#define	DEBUG_EXIT	0xf4

static void
out(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t
in(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return (value);
}

void
console_init(void)
{
	out(COM1 + 1, 0x00);	/* no interrupts */
	out(COM1 + 3, 0x80);	/* the divisor follows */
	out(COM1 + 0, 0x01);
	out(COM1 + 1, 0x00);
	out(COM1 + 3, 0x03);	/* 8n1 */
	out(COM1 + 2, 0xc7);	/* queues on, empty */
	out(COM1 + 4, 0x03);
}

void
put_char(char c)
{
	uint32_t tries = 1000000;

	if (c == '\n')
		put_char('\r');
	/* A port that is not there must not hold up the machine. */
	while ((in(LINE_STATUS) & CAN_SEND) == 0 && --tries != 0)
		;
	out(COM1, (uint8_t)c);
}

void
put(const char *text)
{
	while (*text != '\0')
		put_char(*text++);
}

void
put_number(uint32_t value)
{
	char digits[11];
	int at = sizeof (digits);

	digits[--at] = '\0';
	do {
		digits[--at] = '0' + value % 10;
		value /= 10;
	} while (value != 0);
	put(&digits[at]);
}

void
put_hex(uint32_t value)
{
	int shift;

	put("0x");
	for (shift = 28; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[(value >> shift) & 15]);
}

void
leave(uint8_t value)
{
	/* The last character leaves the line before the machine does. */
	while ((in(LINE_STATUS) & 0x40) == 0)
		;
	out(DEBUG_EXIT, value);
	for (;;)
		__asm__ volatile("cli; hlt");
}
