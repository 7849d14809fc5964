/** The few calls of Medusa's Store API that this shop needs. https://docs.medusajs.com/api/store */

export const CATALOG_TAG = "catalog"

/** How long a page may show what the backend said before, in seconds; POST /api/revalidate ends it at once. */
const MAX_AGE = 30
const TIMEOUT_MS = 10_000

export type Region = { id: string; name: string; currency_code: string; countries: { iso_2: string }[] }

export type Price = {
  calculated_amount: number
  currency_code: string
  is_calculated_price_tax_inclusive: boolean
}

export type Variant = { id: string; title: string; sku: string | null; calculated_price?: Price | null }

export type Product = {
  id: string
  handle: string
  title: string
  subtitle: string | null
  description: string | null
  material: string | null
  weight: number | null
  thumbnail: string | null
  images: { id: string; url: string }[] | null
  variants: Variant[] | null
}

type Caching = Pick<RequestInit, "cache" | "next">

const catalogCaching: Caching = { next: { revalidate: MAX_AGE, tags: [CATALOG_TAG] } }

/** GET of a Store API path. Throws an Error that says what was asked and what came back, unless the answer is 2xx. */
async function get<T>(path: string, query: Record<string, string>, caching: Caching): Promise<T> {
  const backend = process.env.MEDUSA_BACKEND_URL || process.env.NEXT_PUBLIC_MEDUSA_BACKEND_URL
  const url = new URL(path, backend)
  url.search = new URLSearchParams(query).toString()
  const response = await fetch(url, {
    headers: { "x-publishable-api-key": process.env.NEXT_PUBLIC_MEDUSA_PUBLISHABLE_KEY ?? "" },
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...caching,
  }).catch((error: Error) => {
    const reason = error.cause instanceof Error ? error.cause.message : error.message
    throw new Error(`No answer from ${url.origin}${path}: ${reason}`)
  })
  if (!response.ok) {
    const body = await response.text()
    throw new Error(`${url.origin}${path} answered ${response.status}: ${body.slice(0, 200)}`)
  }
  return response.json()
}

export async function listRegions(caching: Caching = catalogCaching): Promise<Region[]> {
  const { regions } = await get<{ regions: Region[] }>("/store/regions", {}, caching)
  return regions
}

/** The region that holds NEXT_PUBLIC_DEFAULT_REGION's country, or the first one. */
async function defaultRegion(): Promise<Region> {
  const regions = await listRegions()
  const country = process.env.NEXT_PUBLIC_DEFAULT_REGION?.toLowerCase()
  const region = regions.find(({ countries }) => countries.some(({ iso_2 }) => iso_2 === country)) ?? regions[0]
  if (!region) {
    throw new Error("The shop has no region: create one in the admin, Settings > Regions, or run the backend's seed.")
  }
  return region
}

async function queryProducts(query: Record<string, string>): Promise<Product[]> {
  const region = await defaultRegion()
  const { products } = await get<{ products: Product[] }>(
    "/store/products",
    { region_id: region.id, fields: "*variants.calculated_price", ...query },
    catalogCaching,
  )
  return products
}

export function listProducts(search?: string): Promise<Product[]> {
  return queryProducts({ limit: "48", order: "created_at", ...(search ? { q: search } : {}) })
}

export async function findProduct(handle: string): Promise<Product | undefined> {
  const [product] = await queryProducts({ handle, limit: "1" })
  return product
}
