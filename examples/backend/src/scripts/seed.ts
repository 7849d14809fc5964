import {
  createProductsWorkflow,
  createRegionsWorkflow,
  createShippingOptionsWorkflow,
  createShippingProfilesWorkflow,
  createStockLocationsWorkflow,
  linkSalesChannelsToApiKeyWorkflow,
  linkSalesChannelsToStockLocationWorkflow,
  uploadFilesWorkflow,
} from "@medusajs/medusa/core-flows"
import type { ExecArgs } from "@medusajs/framework/types"
import { ContainerRegistrationKeys, Modules, ProductStatus } from "@medusajs/framework/utils"

import { products } from "./seed-data/products"

const REGION = "Europe"
const COUNTRIES = ["at", "be", "de", "dk", "fr", "nl", "se"]
const CURRENCY = "eur"
const STOCK_LOCATION = "European warehouse"
const SHIPPING_OPTION = "Standard delivery"

/**
 * Fills an empty shop so that a cart can be made: region, shipping, products with pictures.
 *
 * Everything is known by its name or handle; what is there already is left as it is, so a second run changes nothing.
 */
export default async function seed({ container }: ExecArgs): Promise<void> {
  const logger = container.resolve(ContainerRegistrationKeys.LOGGER)
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const link = container.resolve(ContainerRegistrationKeys.LINK)
  const fulfillment = container.resolve(Modules.FULFILLMENT)

  // Medusa has made the store, its default sales channel and the publishable key before a script runs.
  const { data: [store] } = await query.graph({ entity: "store", fields: ["default_sales_channel_id"] })
  const salesChannelId = store.default_sales_channel_id
  if (!salesChannelId) {
    throw new Error("The store has no default sales channel: choose one in the admin, Settings > Store.")
  }
  const { data: [key] } = await query.graph({
    entity: "api_key",
    fields: ["id", "sales_channels.id"],
    filters: { type: "publishable", revoked_at: null },
    pagination: { take: 1, order: { created_at: "ASC" } },
  })
  if (key && !key.sales_channels?.some((channel: { id: string } | null) => channel?.id === salesChannelId)) {
    logger.info("seed: linking the publishable key to the default sales channel")
    await linkSalesChannelsToApiKeyWorkflow(container).run({ input: { id: key.id, add: [salesChannelId] } })
  }

  const { data: regions } = await query.graph({ entity: "region", fields: ["id"], filters: { name: REGION } })
  if (!regions.length) {
    logger.info(`seed: creating region ${REGION}`)
    await createRegionsWorkflow(container).run({
      input: {
        regions: [{
          name: REGION,
          currency_code: CURRENCY,
          countries: COUNTRIES,
          payment_providers: ["pp_system_default"],
        }],
      },
    })
  }

  let [shippingProfile] = await fulfillment.listShippingProfiles({ type: "default" })
  if (!shippingProfile) {
    logger.info("seed: creating the default shipping profile")
    const { result } = await createShippingProfilesWorkflow(container).run({
      input: { data: [{ name: "Default", type: "default" }] },
    })
    shippingProfile = result[0]
  }

  let { data: [location] } = await query.graph({
    entity: "stock_location",
    fields: ["id"],
    filters: { name: STOCK_LOCATION },
  })
  if (!location) {
    logger.info(`seed: creating stock location ${STOCK_LOCATION}`)
    const { result } = await createStockLocationsWorkflow(container).run({
      input: { locations: [{ name: STOCK_LOCATION, address: { address_1: "Am Sandtorkai 1", city: "Hamburg", country_code: "DE" } }] },
    })
    location = result[0] as typeof location
  }
  const stockLocation = { [Modules.STOCK_LOCATION]: { stock_location_id: location.id } }
  await linkSalesChannelsToStockLocationWorkflow(container).run({ input: { id: location.id, add: [salesChannelId] } })
  await link.create({ ...stockLocation, [Modules.FULFILLMENT]: { fulfillment_provider_id: "manual_manual" } })

  let [fulfillmentSet] = await fulfillment.listFulfillmentSets(
    { name: `${STOCK_LOCATION} shipping` },
    { relations: ["service_zones"] },
  )
  if (!fulfillmentSet) {
    fulfillmentSet = await fulfillment.createFulfillmentSets({
      name: `${STOCK_LOCATION} shipping`,
      type: "shipping",
      service_zones: [{
        name: REGION,
        geo_zones: COUNTRIES.map((country_code) => ({ country_code, type: "country" as const })),
      }],
    })
  }
  await link.create({ ...stockLocation, [Modules.FULFILLMENT]: { fulfillment_set_id: fulfillmentSet.id } })

  const serviceZone = fulfillmentSet.service_zones[0]
  const shippingOptions = await fulfillment.listShippingOptions({ service_zone: { id: serviceZone.id } })
  if (!shippingOptions.length) {
    logger.info(`seed: creating shipping option ${SHIPPING_OPTION}`)
    await createShippingOptionsWorkflow(container).run({
      input: [{
        name: SHIPPING_OPTION,
        price_type: "flat",
        provider_id: "manual_manual",
        service_zone_id: serviceZone.id,
        shipping_profile_id: shippingProfile.id,
        type: { label: "Standard", description: "Two to four working days.", code: "standard" },
        prices: [{ currency_code: CURRENCY, amount: 18 }],
        rules: [
          { attribute: "enabled_in_store", value: "true", operator: "eq" },
          { attribute: "is_return", value: "false", operator: "eq" },
        ],
      }],
    })
  }

  const { data: existing } = await query.graph({
    entity: "product",
    fields: ["handle"],
    filters: { handle: products.map((product) => product.handle) },
  })
  const existingHandles = new Set(existing.map((product) => product.handle))
  for (const product of products.filter(({ handle }) => !existingHandles.has(handle))) {
    logger.info(`seed: creating product ${product.handle}`)
    const { result: [file] } = await uploadFilesWorkflow(container).run({
      input: {
        files: [{
          filename: `${product.handle}.svg`,
          mimeType: "image/svg+xml",
          content: Buffer.from(product.image).toString("base64"),
          access: "public",
        }],
      },
    }).catch((error: Error) => {
      throw new Error(`The picture of ${product.handle} could not be stored, are S3_ENDPOINT, S3_BUCKET and the keys right? ${error.message}`)
    })
    await createProductsWorkflow(container).run({
      input: {
        products: [{
          handle: product.handle,
          title: product.title,
          subtitle: product.subtitle,
          description: product.description,
          material: product.material,
          weight: product.weight,
          status: ProductStatus.PUBLISHED,
          thumbnail: file.url,
          images: [{ url: file.url }],
          shipping_profile_id: shippingProfile.id,
          sales_channels: [{ id: salesChannelId }],
          options: [{ title: "Version", values: ["Standard"] }],
          variants: [{
            title: "Standard",
            sku: product.sku,
            options: { Version: "Standard" },
            manage_inventory: false,
            prices: [{ currency_code: CURRENCY, amount: product.price }],
          }],
        }],
      },
    })
  }
  logger.info(`seed: done, ${products.length - existingHandles.size} products created`)
}
