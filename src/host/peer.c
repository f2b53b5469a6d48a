/* Addresses of peers in the store. `local` of a struct mw_addr counts in one process only, so it is spelt
 * out. */
#include "base/buf.h"
#include "host/core.h"

#include <string.h>

enum { FORMAT = 1 };

void mw_peer_encode(const struct mw_udp *udp, const struct mw_addr *addr, uint8_t out[MW_STORED_PEER_LEN])
{
	struct mw_udp_local local = {0};
	struct mw_buf b;
	mw_udp_local_describe(udp, addr->local, &local);
	mw_buf_init(&b, out, MW_STORED_PEER_LEN);
	mw_buf_put_u8(&b, FORMAT);
	mw_buf_put(&b, addr->ip, sizeof(addr->ip));
	mw_buf_put_be(&b, addr->scope, 4);
	mw_buf_put_be(&b, addr->port, 2);
	mw_buf_put(&b, local.ip, sizeof(local.ip));
	mw_buf_put_be(&b, local.scope, 4);
	mw_buf_put_be(&b, local.sock, 4);
}

int mw_peer_decode(struct mw_udp *udp, struct mw_bytes in, struct mw_addr *out)
{
	struct mw_cur c;
	struct mw_udp_local local;
	if (in.len != MW_STORED_PEER_LEN || in.data[0] != FORMAT)
		return MW_E_FORMAT;
	mw_cur_init(&c, in.data + 1, in.len - 1);
	memcpy(out->ip, mw_cur_take(&c, sizeof(out->ip)).data, sizeof(out->ip));
	out->scope = (uint32_t)mw_cur_be(&c, 4);
	out->port = (uint16_t)mw_cur_be(&c, 2);
	memcpy(local.ip, mw_cur_take(&c, sizeof(local.ip)).data, sizeof(local.ip));
	local.scope = (uint32_t)mw_cur_be(&c, 4);
	local.sock = (uint32_t)mw_cur_be(&c, 4);
	int index = mw_udp_local_find(udp, &local);
	out->local = index < 0 ? 0 : (uint16_t)index;
	return 0;
}
