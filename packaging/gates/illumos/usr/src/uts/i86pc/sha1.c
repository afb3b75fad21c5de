/*
 * sha1.c - SHA-1 (FIPS 180-4) of bytes in memory.
 */
#include "unix.h"

static uint32_t
rotate(uint32_t value, int count)
{
	return (value << count | value >> (32 - count));
}

static void
block(uint32_t state[5], const uint8_t *bytes)
{
	uint32_t w[80], a, b, c, d, e, f, k, next;
	int i;

	for (i = 0; i < 16; i++, bytes += 4)
		w[i] = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
		    (uint32_t)bytes[2] << 8 | bytes[3];
	for (; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
	for (i = 0; i < 80; i++) {
		if (i < 20)
			f = (b & c) | (~b & d), k = 0x5a827999;
		else if (i < 40)
			f = b ^ c ^ d, k = 0x6ed9eba1;
		else if (i < 60)
			f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
		else
			f = b ^ c ^ d, k = 0xca62c1d6;
		next = rotate(a, 5) + f + e + k + w[i];
		e = d, d = c, c = rotate(b, 30), b = a, a = next;
	}
	state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

void
sha1(const uint8_t *bytes, size_t length, char text[41])
{
	uint32_t state[5] = {
		0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0
	};
	uint8_t last[128];
	size_t left = length, tail, i;

	for (; left >= 64; left -= 64, bytes += 64)
		block(state, bytes);
	tail = left < 56 ? 64 : 128;
	for (i = 0; i < tail; i++)
		last[i] = i < left ? bytes[i] : 0;
	last[left] = 0x80;
	/* The length in bits, big endian: five bytes hold that of 4 GB. */
	for (i = 0; i < 4; i++)
		last[tail - 1 - i] = (uint8_t)((uint32_t)length << 3 >> (8 * i));
	last[tail - 5] = (uint8_t)((uint32_t)length >> 29);
	for (i = 0; i < tail; i += 64)
		block(state, last + i);
	for (i = 0; i < 40; i++)
		text[i] = "0123456789abcdef"[
		    (state[i / 8] >> (28 - 4 * (i % 8))) & 15];
	text[40] = '\0';
}
