import { listRegions } from "@/lib/medusa"

export const dynamic = "force-dynamic"

/** 200 when this shop can sell: the backend answers, knows our publishable key and has a region. 503 with the reason otherwise. */
export async function GET(): Promise<Response> {
  try {
    const regions = await listRegions({ cache: "no-store" })
    if (!regions.length) {
      return Response.json({ status: "unavailable", reason: "the shop has no region" }, { status: 503 })
    }
    return Response.json({ status: "ok" })
  } catch (error) {
    return Response.json({ status: "unavailable", reason: (error as Error).message }, { status: 503 })
  }
}
