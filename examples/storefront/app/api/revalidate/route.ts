import { createHash, timingSafeEqual } from "node:crypto"

import { revalidateTag } from "next/cache"

import { CATALOG_TAG } from "@/lib/medusa"

const digest = (value: string) => createHash("sha256").update(value).digest()

/** POST with `Authorization: Bearer REVALIDATE_SECRET`: the next visitor sees the catalogue as it is now. */
export async function POST(request: Request): Promise<Response> {
  const secret = process.env.REVALIDATE_SECRET
  if (!secret) {
    return new Response(null, { status: 404 })
  }
  const given = request.headers.get("authorization") ?? ""
  if (!timingSafeEqual(digest(given), digest(`Bearer ${secret}`))) {
    return Response.json({ message: "Invalid secret" }, { status: 401 })
  }
  revalidateTag(CATALOG_TAG, { expire: 0 })
  return Response.json({ revalidated: true })
}
