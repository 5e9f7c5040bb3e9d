/* The network name service; `server_port` is name_server_port. */
#ifndef _SERVERS_NETNAME_H_
#define _SERVERS_NETNAME_H_

#include <mach/mach_types.h>
#include <mach/message.h>
#include <mach_init.h>
#include <servers/netname_defs.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Binds a name to a port; whoever shows the same signature may replace or unbind it. */
extern kern_return_t netname_check_in(mach_port_t server_port, const_netname_name_t port_name, mach_port_t signature,
                                      mach_port_t port_id);
/* A send right by its name: on this host (""), on any ("*"), or on the one that is named. */
extern kern_return_t netname_look_up(mach_port_t server_port, const_netname_name_t host_name, const_netname_name_t port_name,
                                     mach_port_t *port_id);
extern kern_return_t netname_check_out(mach_port_t server_port, const_netname_name_t port_name, mach_port_t signature);
extern kern_return_t netname_version(mach_port_t server_port, netname_name_t version);

#ifdef __cplusplus
}
#endif

#endif
